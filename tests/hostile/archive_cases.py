"""Word files and slides: bombs, names that lead out, entities, and XML without an end."""

from zipfile import ZIP_LZMA

from tests.hostile import archives as zips
from tests.hostile.case import Case

MB = 1_000_000
SENTENCE = "The lamp turns once in twelve seconds, and the keeper writes down every ship. "
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
DOCX_BOMB = "would unpack to"
BOMB: zips.Parts = {"word/media/a.bin": 250 * MB}
ARCHIVES = {
    "a flat bomb": Case("a.docx", lambda: zips.docx(parts=BOMB), DOCX_BOMB),
    "a bomb below the limit": Case(
        "a.docx", lambda: zips.docx(parts={"word/media/a.bin": 150 * MB}), DOCX_BOMB
    ),
    "a bomb of XML": Case(
        "a.docx", lambda: zips.docx(parts={"word/document.xml": 100 * MB}), DOCX_BOMB
    ),
    "a bomb in a bomb": Case(
        "a.docx",
        lambda: zips.docx(parts={"word/embeddings/b.docx": zips.docx(parts=BOMB)}),
    ),
    "a bomb of a slide": Case("a.pptx", lambda: zips.pptx(BOMB), DOCX_BOMB),
    "sizes that lie": Case("a.docx", lambda: zips.with_a_lie_about_size(zips.docx()), "damaged"),
    "100,000 parts": Case(
        "a.docx",
        lambda: zips.docx(parts={f"word/{n}": b"" for n in range(100_000)}),
        "100,003 files",
    ),
    "two parts of one name": Case(
        "a.docx", lambda: zips.docx(twice="word/document.xml"), "one name"
    ),
    "a password on its parts": Case(
        "a.docx", lambda: zips.marked_encrypted(zips.docx()), "password"
    ),
    "a strange packer": Case("a.docx", lambda: zips.docx(method=ZIP_LZMA), "no office program"),
    "cut short": Case("a.docx", lambda: zips.docx()[:400], "damaged"),
    "a workbook": Case(
        "a.docx", lambda: zips.archive({"xl/workbook.xml": "<x/>"}), "holds no word/"
    ),
    "slides named a text": Case("a.docx", lambda: zips.pptx(), "holds no word/"),
    "a declared entity": Case(
        "a.docx", lambda: zips.docx(zips.word(zips.paragraph("&lol9;"), zips.LAUGHS)), "declares"
    ),
    "an entity from a file": Case(
        "a.docx", lambda: zips.docx(zips.word(zips.paragraph("&lol9;"), zips.OUTSIDER)), "declares"
    ),
    "an entity in UTF-16": Case(
        "a.docx",
        lambda: zips.docx(
            zips.word(zips.paragraph("&lol9;"), zips.LAUGHS)
            .replace("UTF-8", "UTF-16")
            .encode("utf-16")
        ),
        "declares",
    ),
    "an entity in EBCDIC": Case(
        "a.docx",
        lambda: zips.docx(b'<?xml version="1.0" encoding="IBM037"?>' + zips.LAUGHS.encode("cp037")),
        "encoding",
    ),
    "an entity in a slide": Case(
        "a.pptx",
        lambda: zips.pptx({"ppt/slides/slide1.xml": zips.slide_with(zips.LAUGHS)}),
        "declares",
    ),
    "a file in a slide": Case(
        "a.pptx",
        lambda: zips.pptx({"ppt/slides/slide1.xml": zips.slide_with(zips.OUTSIDER)}),
        "declares",
    ),
    "an entity in its relations": Case(
        "a.docx",
        lambda: zips.docx(parts={"_rels/.rels": zips.LAUGHS + zips.relation("a", "b")}),
        "declares",
    ),
    "100,000 levels": Case(
        "a.docx",
        lambda: zips.docx(
            zips.word("<w:sdt><w:sdtContent>" * 50_000 + "</w:sdtContent></w:sdt>" * 50_000)
        ),
    ),
    "5,000 tables in each other": Case(
        "a.docx",
        lambda: zips.docx(
            zips.word(
                "<w:tbl><w:tr><w:tc>" * 5000
                + zips.paragraph("deep")
                + "<w:p/></w:tc></w:tr></w:tbl>" * 5000
            )
        ),
    ),
    "a million paragraphs": Case(
        "a.docx", lambda: zips.docx(zips.word(zips.paragraph(SENTENCE) * 300_000))
    ),
    "a picture from a file": Case(
        "a.docx",
        lambda: zips.docx(
            zips.word(
                f'<w:p><w:r><w:drawing><a:blip xmlns:a="{DRAWING}" r:link="r1"/></w:drawing>'
                "<w:t>A light.</w:t></w:r></w:p>"
            ),
            parts={
                "word/_rels/document.xml.rels": zips.relation(
                    "image", "file:///etc/passwd", 'TargetMode="External"'
                )
            },
        ),
    ),
    **{
        f"a part named {name!r}": Case(
            "a.docx",
            lambda n=name: zips.renamed(zips.docx(parts={"w" * len(n): b"x"}), "w" * len(n), n),
            "holds a file named",
        )
        for name in (
            "../../../etc/cron.d/evil",
            "/etc/passwd_",
            "..\\..\\evil.exe",
            "word/../../../x.md",
        )
    },
}
