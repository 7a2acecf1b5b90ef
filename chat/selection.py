"""Where a text that a reader selected stands: compared by its letters and digits alone.

A browser's selection and the source it was rendered from differ in white space and markup. What a
chunk is compared by is what a reader sees of it: links are their text, fences their code.
"""

import re
from collections.abc import Iterator, Sequence
from unicodedata import normalize

from chat.sentences import plain

NO_LETTER = re.compile(r"[\W_]+")
FENCE = re.compile(
    r"^[ \t>]*(`{3,}|~{3,})[^\n]*\n(.*?)(?:^[ \t>]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
NUMBERED = re.compile(r"^[ \t>]*\d{1,3}[.)][ \t]+", re.MULTILINE)  # a browser does not select it
TELLING = 12  # letters of a line by which its chunk is told; a shorter one may stand anywhere


def letters(text: str) -> str:
    """The letters and digits, without case, forms and spaces."""
    return NO_LETTER.sub("", normalize("NFKC", NUMBERED.sub("", text)).casefold())


def visible(text: str) -> str:
    """What a reader sees of Markdown; code as it is, without its fence."""
    shown, last = [], 0
    for fence in FENCE.finditer(text):
        shown += [plain(NUMBERED.sub("", text[last : fence.start()])), fence[2]]
        last = fence.end()
    return "\n".join([*shown, plain(NUMBERED.sub("", text[last:]))])


def spanned(selection: str, parts: Sequence[tuple[str, str]]) -> list[int]:
    """Which of a document's parts (heading, text; in order) the selection stands in.

    As a whole, over as many parts as it covers; or line by line, because what lies between lines
    (a label, the title of a code block) may be shown and not be text. Empty if any of it is
    nowhere.
    """
    shown = [letters(visible(text)) for _heading, text in parts]
    headings = [letters(heading) for heading, _text in parts]
    for wanted in dict.fromkeys([letters(selection), letters(visible(selection))]):
        if wanted:
            found = _whole(wanted, shown) or _whole(wanted, list(_headed(headings, shown)))
            if found:
                return found
    raw = [letters(f"{heading}\n{text}") for heading, text in parts]
    haystacks = [" ".join(three) for three in zip(headings, shown, raw, strict=True)]
    return _by_lines([letters(line) for line in selection.splitlines()], haystacks)


def _headed(headings: Sequence[str], shown: Sequence[str]) -> Iterator[str]:
    """With its heading in front of the first part of each section."""
    before = None
    for heading, text in zip(headings, shown, strict=True):
        yield text if heading == before else heading + text
        before = heading


def _whole(wanted: str, texts: Sequence[str]) -> list[int]:
    start = "".join(texts).find(wanted)
    if start < 0:
        return []
    found, position = [], 0
    for number, text in enumerate(texts):
        if position < start + len(wanted) and position + len(text) > start:
            found.append(number)
        position += len(text)
    return found


def _by_lines(lines: Sequence[str], texts: Sequence[str]) -> list[int]:
    lines = [line for line in lines if line]
    if len(lines) < 2 or not all(any(line in text for text in texts) for line in lines):
        return []
    telling = [line for line in lines if len(line) >= TELLING]
    first = [next(at for at, text in enumerate(texts) if line in text) for line in telling]
    return sorted(set(first))
