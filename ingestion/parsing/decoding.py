"""Bytes to clean text: encoding found, line ends normalised, invisible characters removed.

Nothing that a reader can see is changed, and nothing is composed or decomposed: a quotation stays
what its author typed. What goes is what only a machine reads (tag characters, zero-width
characters, variation selectors) and what shows a reader something else than is there (bidi
controls), except where a script or an emoji needs it.
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import replace

from ingestion.parsing.base import ParsedDocument, ParseError, Section, Span

BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
BINARY_SHARE = 0.02
LONG_RUN = 16  # of invisible characters: no script writes so many in a row

# A form feed parts words, yet no editor counts it as a line.
BREAKS = {"\x0b": " ", "\x0c": " ", "\x85": "\n", "\u2028": "\n", "\u2029": "\n"}
# With them what only an escape can write and no database stores: halves of a pair, noncharacters.
CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
SOFT_HYPHEN = "\u00ad"  # deceives nobody, but a word that holds one is never found
MARKS = "\u061c\u200e\u200f"  # the direction of a single place
DIRECTIONS = "\u202a-\u202e\u2066-\u206f"  # the direction of everything that follows
JOINERS = "\u200c\u200d"
ZERO_WIDTH = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u2065\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
SELECTORS_AND_TAGS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0000-\U000e0fff"
HIDDEN = re.compile(
    f"[{CONTROLS}{SOFT_HYPHEN}{MARKS}{DIRECTIONS}{JOINERS}{ZERO_WIDTH}{SELECTORS_AND_TAGS}]+"
)
CONTROL = re.compile(f"[{CONTROLS}]")

# Scripts whose letters join or stack: Arabic to Thaana, those of India and of South-East Asia.
JOINING = (
    "\u0600-\u0eff\u1000-\u109f\u1780-\u18af\u1900-\u1cff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00011fff\U0001e900-\U0001e95f"
)
# Written without spaces: a zero-width one is where a word ends.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\uaa60-\uaa7f"
EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
NEEDED = re.compile(
    # One joiner beside a letter; a run of them only carries a message.
    f"(?<=[{JOINING}])[{JOINERS}](?![{JOINERS}])|(?<![{JOINERS}])[{JOINERS}](?=[{JOINING}])"
    f"|(?<=[{EMOJI}])(?:\ufe0f?\u200d(?=[{EMOJI}])|[\ufe0e\ufe0f])"
    "|(?<=[0-9#*])\ufe0f(?=\u20e3)"  # a keycap
    # The flags of England, Scotland and Wales are the only tags that show.
    "|(?<=\U0001f3f4)\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067"
    "|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
    f"|(?<=[{UNSPACED}])\u200b(?=[{UNSPACED}])"
    "|(?<=[\u1820-\u18aa])[\u180b-\u180f]"  # the shape of a Mongolian letter
    "|(?<=[\u1100-\u115e\ua960-\ua97c])\u1160|\u115f(?=[\u1161-\u11a7\ud7b0-\ud7c6])"  # old Hangul
)
# Between neutral characters a mark can only decide anything where a script runs to the left.
NEEDED_MARK = re.compile(f"(?<![{MARKS}])[{MARKS}](?![{MARKS}])")
RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)


def decode(content: bytes, *, is_html: bool = False) -> tuple[str, tuple[str, ...]]:
    """The text that all character offsets count in, and what was changed to get it.

    Of HTML only what is shown needs to be clean, and `cleaned` sees to that: an id or an address
    less a character leads nowhere, and permalinks are often nothing but a zero-width space.
    """
    text, warnings = _decode(content)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    plain, removed = clean(text)
    controls = len(CONTROL.findall(removed))
    if controls > 3 and controls > BINARY_SHARE * (len(plain) + controls):
        raise ParseError("not a text file: it holds mostly control characters")
    return (text, warnings) if is_html else (plain, warnings + _warnings(removed))


def clean(text: str) -> tuple[str, str]:
    """The text without what a reader cannot see, and the characters that were removed."""
    text = _with_plain_breaks(text)
    pieces, removed, position = [], [], 0
    for start, end in _hidden_spans(text):
        pieces.append(text[position:start])
        removed.append(text[start:end])
        position = end
    if not removed:
        return text, ""
    return "".join([*pieces, text[position:]]), "".join(removed)


def cleaned(parsed: ParsedDocument) -> ParsedDocument:
    """The same for what a parser made: an entity or an escape can write what `decode` removed.

    In the text the characters become markup, so that no position moves.
    """
    text = _with_plain_breaks(parsed.text)
    spans = _hidden_spans(text)
    removed = "".join(text[start:end] for start, end in spans)
    title, more = clean(parsed.title)
    return replace(
        parsed,
        title=title.strip() or "Untitled",
        text=text,
        markup=_merged([*parsed.markup, *spans]) if spans else parsed.markup,
        sections=tuple(map(_cleaned_section, parsed.sections)),
        warnings=parsed.warnings + _warnings(removed + more),
    )


def _cleaned_section(section: Section) -> Section:
    path = tuple(clean(heading)[0] for heading in section.heading_path)
    # An anchor less a character leads nowhere; without one a link leads to the top of the page.
    anchor = "" if HIDDEN.search(section.anchor) else section.anchor
    return replace(section, heading_path=path, anchor=anchor)


def _warnings(removed: str) -> tuple[str, ...]:
    controls = len(CONTROL.findall(removed))
    hidden = len(removed) - controls - removed.count(SOFT_HYPHEN)
    found = []
    if controls:
        found.append(f"{controls} control characters removed")
    if hidden:
        found.append(f"{hidden} invisible or direction-changing characters removed")
    return tuple(found)


def _with_plain_breaks(text: str) -> str:
    for character, plain in BREAKS.items():
        text = text.replace(character, plain)
    return text


def _hidden_spans(text: str) -> list[Span]:
    """What is to go, sorted and apart."""
    right_to_left: bool | None = None  # looked for only where it matters
    spans: list[Span] = []
    for run in HIDDEN.finditer(text):
        start, end = run.span()
        position = start
        while position < end <= start + LONG_RUN:
            needed = NEEDED.match(text, position)
            if not needed and (mark := NEEDED_MARK.match(text, position)):
                if right_to_left is None:
                    right_to_left = RIGHT_TO_LEFT.search(text) is not None
                needed = mark if right_to_left else None
            if needed:
                spans.append((start, position))
                start, end = needed.end(), run.end()
            position = needed.end() if needed else position + 1
        spans.append((start, end))
    return [span for span in spans if span[0] < span[1]]


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    for mark, encoding in BOMS:
        if content.startswith(mark):
            try:
                return content.decode(encoding), ()
            except UnicodeDecodeError:
                return content.decode(encoding, "replace"), (f"broken {encoding}: bytes replaced",)
    if encoding := _utf_16_without_mark(content[:4000]):
        return content.decode(encoding, "replace"), (f"read as {encoding}, by its zero bytes",)
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), ("not UTF-8: read as Windows-1252",)


def _utf_16_without_mark(sample: bytes) -> str:
    """Every other byte of western text is zero then, and hardly any of the rest."""
    first, second = sample[0::2].count(0), sample[1::2].count(0)
    rare, usual = len(sample) // 100, len(sample) * 2 // 5
    if second > usual and first <= rare:
        return "utf-16-le"
    return "utf-16-be" if first > usual and second <= rare else ""
