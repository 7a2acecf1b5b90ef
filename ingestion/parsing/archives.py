"""Word and PowerPoint files are zip archives of XML: looked through before anything is unpacked."""

import re
import zipfile
from io import BytesIO

from ingestion.parsing.base import ParseError

MAIN_FOLDER = {"docx": "word/", "pptx": "ppt/"}
ENTRY_LIMIT = 10_000
SIZE_LIMIT = 200_000_000  # unpacked, pictures and all
XML_LIMIT = 60_000_000  # unpacked: as a tree it takes ten times that
RATIO_LIMIT, RATIO_FREE = 200, 5_000_000  # real XML shrinks to a fiftieth; small files may more
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1
XML_SUFFIXES = (".xml", ".rels", ".vml", ".xhtml", ".html", ".htm")
DECLARATIONS = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
ENCODING = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([^\"']*)")
ENCODINGS = (b"utf-8", b"utf-16", b"us-ascii", b"ascii", b"iso-8859-1", b"windows-1252")


def check(kind: str, content: bytes) -> None:
    """Raises ParseError when the archive is not what it should be, or would grow too large."""
    if kind not in MAIN_FOLDER:
        return
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            entries = archive.infolist()
            if not any(entry.filename.startswith(MAIN_FOLDER[kind]) for entry in entries):
                raise ParseError(f"is named .{kind} but holds no {MAIN_FOLDER[kind]} folder")
            _check_entries(entries, len(content))
            for entry in entries:
                if entry.filename.lower().endswith(XML_SUFFIXES):
                    _check_xml(entry.filename, archive.read(entry))
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise ParseError(f"its archive is damaged: {error}") from error
    except zipfile.zlib.error as error:  # type: ignore[attr-defined]
        raise ParseError("its archive is damaged: a part cannot be unpacked") from error


def _check_entries(entries: list[zipfile.ZipInfo], packed: int) -> None:
    # zipfile never unpacks more than an entry declares, so what is declared is what can happen.
    if len(entries) > ENTRY_LIMIT:
        raise ParseError(f"its archive holds {len(entries):,} files; {ENTRY_LIMIT:,} are allowed")
    if len({entry.filename for entry in entries}) < len(entries):
        raise ParseError("its archive holds two files of one name")
    for entry in entries:
        if entry.flag_bits & ENCRYPTED:
            raise ParseError("is protected by a password; remove it and try again")
        if entry.compress_type not in METHODS:
            raise ParseError("its archive is packed in a way that no office program uses")
        if _leads_out(entry.orig_filename):
            raise ParseError(f"its archive holds a file named {entry.orig_filename[:100]!r}")
    size = sum(entry.file_size for entry in entries)
    xml = sum(e.file_size for e in entries if e.filename.lower().endswith(XML_SUFFIXES))
    if size > SIZE_LIMIT or xml > XML_LIMIT:
        limit = f"{XML_LIMIT:,} of XML, {SIZE_LIMIT:,} in all"
        raise ParseError(f"would unpack to {size:,} bytes; allowed are {limit}")
    if size > RATIO_FREE and size > RATIO_LIMIT * packed:
        raise ParseError(f"would unpack to {size // packed:,} times its size")


def _leads_out(name: str) -> bool:
    return name.startswith("/") or "\\" in name or "\0" in name or ".." in name.split("/")


def _check_xml(name: str, content: bytes) -> None:
    """Entities and external parts are declared in a document type; office files have none."""
    plain = content.replace(b"\0", b"")  # as UTF-16 has them
    if DECLARATIONS.search(plain):
        raise ParseError(f"{name[:100]} declares a document type or entities, which is refused")
    encoding = ENCODING.search(plain[:500])
    if encoding and encoding[1].lower() not in ENCODINGS:
        raise ParseError(f"{name[:100]} is written in an encoding that office files do not use")
