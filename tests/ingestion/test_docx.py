"""Word documents to sections."""

import io
import zipfile

import pytest

from ingestion.parsing import ParseError
from ingestion.parsing.docx import parse_docx
from tests.ingestion.verbatim import CORPORA, check, text_of_docx

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
M = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
TYPES = """<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/></Types>"""
RELATIONS = """<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="r1" Target="word/document.xml" Type="http://schemas.openxmlformats.org/\
officeDocument/2006/relationships/officeDocument"/></Relationships>"""
STYLES = f"""<w:styles {W}>
<w:style w:type="paragraph" w:styleId="Own"><w:name w:val="It's own"/><w:basedOn w:val="Base"/>
</w:style><w:style w:type="paragraph" w:styleId="Base"><w:name w:val="Base"/><w:pPr><w:outlineLvl
w:val="1"/></w:pPr></w:style><w:style w:type="paragraph" w:styleId="Code"><w:name
w:val="Source Code"/></w:style><w:style w:type="paragraph" w:styleId="Title"><w:name
w:val="Title"/></w:style>
</w:styles>"""


def docx(body, **parts):
    """A file with these paragraphs; more parts by name, with `__` for a slash."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("_rels/.rels", RELATIONS)
        archive.writestr("word/styles.xml", STYLES)
        archive.writestr(
            "word/document.xml", f"<w:document {W} {M}><w:body>{body}</w:body></w:document>"
        )
        for name, part in parts.items():
            archive.writestr(f"{name.replace('__', '/')}.xml", part)
    return content.getvalue()


def paragraph(text, style=""):
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def test_headings_by_style_also_by_styles_of_ones_own():
    body = (
        paragraph("Kites", "Title") + paragraph("a") + paragraph("Fly it", "Own") + paragraph("b")
    )
    parsed = parse_docx(docx(body), key="k.docx")
    assert parsed.title == "Kites"
    assert [(s.heading_path, s.anchor, s.level) for s in parsed.sections] == [
        (("Kites",), "kites", 1),
        (("Kites", "Fly it"), "fly-it", 2),
    ]
    assert parsed.text == "# Kites\n\na\n\n## Fly it\n\nb"


def test_lines_of_code_are_one_block():
    body = paragraph("def f():", "Code") + paragraph("    return 1", "Code")
    assert parse_docx(docx(body), key="k").text == "```\ndef f():\n    return 1\n```"


def test_deleted_text_is_left_out_and_inserted_text_kept():
    run = "<w:r><w:t>{}</w:t></w:r>"
    body = (
        f"<w:p>{run.format('kept')}<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"
        f"<w:ins>{run.format(' new')}</w:ins><w:moveFrom>{run.format('moved')}</w:moveFrom></w:p>"
    )
    assert parse_docx(docx(body), key="k").text == "kept new"


def test_formulas_become_text():
    t = "<m:r><m:t>{}</m:t></m:r>"
    power = f"<m:sSup><m:e>{t.format('r')}</m:e><m:sup>{t.format('2')}</m:sup></m:sSup>"
    body = f"<w:p><w:r><w:t>Area: </w:t></w:r><m:oMath>{t.format('A=π')}{power}</m:oMath></w:p>"
    assert parse_docx(docx(body), key="k").text == "Area: A=πr^2"


def test_properties_of_the_file():
    core = """<c:coreProperties xmlns:c="http://schemas.openxmlformats.org/package/2006/metadata/\
core-properties" xmlns:d="http://purl.org/dc/elements/1.1/" xmlns:t="http://purl.org/dc/terms/">
<d:title>Given</d:title><d:creator>Ada; Bo</d:creator><t:created>2021-05-01T00:00:00Z</t:created>
<d:language>de</d:language></c:coreProperties>"""
    parsed = parse_docx(docx(paragraph("a"), docProps__core=core), key="k")
    assert (parsed.title, parsed.language) == ("Given", "de")
    assert (parsed.metadata["authors"], parsed.metadata["year"]) == (["Ada", "Bo"], 2021)


def test_a_document_type_is_refused_in_any_part():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>'
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(ParseError, match="document type"):
            parse_docx(docx(paragraph("a"), word__footnotes=bomb.encode(encoding)), key="k")


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 nothing", docx("<w:p>")[:200], docx("<w:p>"), docx("<w:tbl>" * 5_000)],
)
def test_what_is_no_word_document_is_an_error_in_plain_words(content):
    with pytest.raises(ParseError, match=r"(?i)the file|not XML|cannot be read|nested"):
        parse_docx(content, key="k.docx")


@pytest.mark.skipif(not CORPORA.is_dir(), reason="no evaluation corpora; set EVAL_CORPORA")
def test_every_chunk_of_the_corpus_stands_in_its_file():
    count = 0
    for path in sorted((CORPORA / "office").glob("*.docx")):
        parsed = parse_docx(path.read_bytes(), key=path.name)
        chunks, foreign, raw = check(parsed, text_of_docx(path))
        assert (foreign, raw) == ([], []), path.name
        assert chunks, path.name
        count += chunks
    assert count > 50
