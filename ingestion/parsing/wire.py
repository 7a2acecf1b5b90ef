"""A parsed document as JSON and back: all that may come out of the process that parsed it.

JSON and not pickle: what a taken-over parser writes is read as data, checked, and never run.
"""

import json
from typing import Any

from ingestion.parsing.base import Block, ParsedDocument, ParseError, Section

END = b"\n"  # an answer without it was cut short


def packed(parsed: ParsedDocument) -> bytes:
    message = {
        "title": parsed.title,
        "text": parsed.text,
        "sections": [
            [list(section.heading_path), section.anchor, section.level, _packed(section.blocks)]
            for section in parsed.sections
        ],
        "markup": parsed.markup,
        "language": parsed.language,
        "metadata": parsed.metadata,
        "warnings": parsed.warnings,
    }
    return json.dumps(message, default=str).encode() + END  # ASCII: any character survives


def packed_error(message: str) -> bytes:
    return json.dumps({"error": message}).encode() + END


def unpacked(answer: bytes) -> ParsedDocument:
    """Raises ParseError: what the child says about the file, or that it speaks nonsense."""
    try:
        message = json.loads(answer)
        if "error" in message:
            raise ParseError(_text(message["error"])[:500])
        return _document(message)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ParseError("its parser gave an answer that makes no sense") from error


def _document(message: dict[str, Any]) -> ParsedDocument:
    text = _text(message["text"])
    language, metadata = message["language"], message["metadata"]
    if not isinstance(metadata, dict):
        raise TypeError("metadata")
    return ParsedDocument(
        title=_text(message["title"]),
        text=text,
        sections=tuple(
            Section(
                tuple(map(_text, path)), _text(anchor), int(level), _unpacked(blocks, 0, len(text))
            )
            for path, anchor, level, blocks in message["sections"]
        ),
        markup=tuple(_span(start, end, 0, len(text)) for start, end in message["markup"]),
        language=None if language is None else _text(language),
        metadata=metadata,
        warnings=tuple(map(_text, message["warnings"])),
    )


def _packed(blocks: tuple[Block, ...]) -> list[Any]:
    return [[block.kind, block.start, block.end, _packed(block.children)] for block in blocks]


def _unpacked(blocks: list[Any], first: int, last: int) -> tuple[Block, ...]:
    found = []
    for kind, start, end, children in blocks:
        start, end = _span(start, end, first, last)
        found.append(Block(_text(kind), start, end, _unpacked(children, start, end)))
    return tuple(found)


def _span(start: object, end: object, first: int, last: int) -> tuple[int, int]:
    if not (isinstance(start, int) and isinstance(end, int) and first <= start <= end <= last):
        raise ValueError("a span outside of the text")
    return start, end


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
