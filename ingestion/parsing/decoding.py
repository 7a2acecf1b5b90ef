"""Bytes to clean text: encoding found, line ends normalised, invisible characters removed."""

import codecs
import re

from ingestion.parsing.base import ParseError

BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Overrides and isolates that reorder what a reader sees, and tag characters that only a model
# reads. Plain direction marks (U+200E, U+200F, U+061C) stay: Urdu and Hebrew need them.
DECEPTIVE = re.compile("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
BINARY_SHARE = 0.02


def decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    """The text that all character offsets count in, and what was changed to get it."""
    text, warnings = _decode(content)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text, controls = CONTROLS.subn("", text)
    if controls > 3 and controls > BINARY_SHARE * (len(text) + controls):
        raise ParseError("not a text file: it holds mostly control characters")
    text, deceptive = DECEPTIVE.subn("", text)
    if controls:
        warnings += (f"{controls} control characters removed",)
    if deceptive:
        warnings += (f"{deceptive} invisible or direction-changing characters removed",)
    return text, warnings


def _decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    for mark, encoding in BOMS:
        if content.startswith(mark):
            try:
                return content.decode(encoding), ()
            except UnicodeDecodeError:
                return content.decode(encoding, "replace"), (f"broken {encoding}: bytes replaced",)
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), ("not UTF-8: read as Windows-1252",)
