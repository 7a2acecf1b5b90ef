"""What Word and PowerPoint files share: a zip archive of XML, and what it says of itself."""

import io
import zipfile
from typing import Any

from lxml import etree

from ingestion.parsing.base import ParseError
from ingestion.parsing.html_metadata import YEAR

CORE = "docProps/core.xml"
# What the programs write when nobody gave a title.
NO_TITLE = ("microsoft word", "powerpoint presentation", "untitled", "document", "presentation")
WORDS = {"subject": "description", "description": "description", "language": "lang",
         "version": "version"}  # fmt: skip


def open_package(content: bytes) -> zipfile.ZipFile:
    """Raises ParseError for what is no such archive, or holds a document type.

    The format forbids those; entities are the one way in which its XML can grow or reach out, and
    not every library that reads the parts refuses them.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                part = archive.read(name).replace(b"\0", b"")  # UTF-16, as far as this goes
                if b"<!DOCTYPE" in part or b"<!ENTITY" in part:
                    raise ParseError(f"{name} declares a document type, which no Office file does.")
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        raise ParseError("The file is damaged, encrypted, or no Office document.") from error
    return archive


def read_xml(archive: zipfile.ZipFile, name: str) -> etree._Element | None:
    """None when there is no such part."""
    if name not in archive.namelist():
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(archive.read(name), parser)
    except etree.XMLSyntaxError as error:
        raise ParseError(f"{name} inside the file is not XML.") from error


def read_properties(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Title, authors, year and the like, as far as somebody filled them in."""
    root = read_xml(archive, CORE)
    found: dict[str, Any] = {}
    for element in root if root is not None else ():
        name = etree.QName(element).localname
        value = " ".join((element.text or "").split())
        if not value:
            continue
        if name == "title" and not value.lower().startswith(NO_TITLE):
            found["title"] = value
        elif name == "creator":
            found["authors"] = [part.strip() for part in value.split(";") if part.strip()]
        elif name == "created" and (match := YEAR.search(value)):
            found["year"] = int(match[0])
        elif name in WORDS:
            found.setdefault(WORDS[name], value)
    return found
