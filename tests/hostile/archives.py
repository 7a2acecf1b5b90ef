"""Writes Word and PowerPoint files, sound ones and others."""

import struct
import warnings
import zipfile
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import Any

from pptx import Presentation

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
DOCUMENT = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
TYPES = (
    f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{DOCUMENT}"/></Types>'
)
LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY lol0 "lol">'
    + "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
)
OUTSIDER = '<!DOCTYPE x [<!ENTITY lol9 SYSTEM "file:///etc/passwd">]>'
Parts = Mapping[str, str | bytes | int]  # a number: so many zero bytes, never in memory at once


def relation(kind: str, target: str, mode: str = "") -> str:
    return (
        f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{OFFICE}/{kind}" Target="{target}" {mode}/></Relationships>'
    )


def word(inside: str, before: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}<w:document xmlns:w="{WORD}" '
        f'xmlns:r="{OFFICE}"><w:body>{inside}</w:body></w:document>'
    )


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def docx(document: str | bytes = "", *, parts: Parts | None = None, **options: Any) -> bytes:
    sound: dict[str, str | bytes | int] = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": relation("officeDocument", "word/document.xml"),
        "word/document.xml": document or word(paragraph("A light above the sea.")),
    }
    return archive({**sound, **(parts or {})}, **options)


@cache
def sound_pptx() -> bytes:
    show, out = Presentation(), BytesIO()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "The lamp"
    slide.placeholders[1].text = "A light above the sea."
    show.save(out)
    return out.getvalue()


def pptx(parts: Parts | None = None) -> bytes:
    with zipfile.ZipFile(BytesIO(sound_pptx())) as sound:
        old = {name: sound.read(name) for name in sound.namelist()}
    return archive({**old, **(parts or {})})


def slide_with(before: str) -> bytes:
    """The slide, with a document type before it whose entity its title would show."""
    with zipfile.ZipFile(BytesIO(sound_pptx())) as sound:
        slide = sound.read("ppt/slides/slide1.xml").decode()
    declaration, _, rest = slide.partition("?>")
    return f"{declaration}?>{before}{rest.replace('The lamp', '&lol9;')}".encode()


def archive(parts: Parts, method: int = zipfile.ZIP_DEFLATED, twice: str = "") -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in parts.items():
            if isinstance(content, int):
                with file.open(name, "w") as part:
                    for _ in range(content >> 20):
                        part.write(bytes(1 << 20))
            else:
                file.writestr(name, content)
        if twice:
            with warnings.catch_warnings(action="ignore"):
                file.writestr(twice, "again")
    return out.getvalue()


def marked_encrypted(content: bytes) -> bytes:
    return _patched(content, b"PK\x01\x02", 8, struct.pack("<H", 1))


def with_a_lie_about_size(content: bytes) -> bytes:
    """Every part declares ten bytes."""
    return _patched(content, b"PK\x01\x02", 24, struct.pack("<I", 10))


def renamed(content: bytes, old: str, new: str) -> bytes:
    """Names that `zipfile` would not write; both of one length."""
    assert len(old) == len(new)
    return content.replace(old.encode(), new.encode())


def _patched(content: bytes, mark: bytes, offset: int, value: bytes) -> bytes:
    changed, place = bytearray(content), content.find(mark)
    while place >= 0:
        changed[place + offset : place + offset + len(value)] = value
        place = content.find(mark, place + 1)
    return bytes(changed)
