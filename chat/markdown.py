"""Answers as Markdown that is read elsewhere: markers become footnotes, and nothing else is active.

Text that people and documents wrote is escaped. An answer's own Markdown is harmless already
(chat/disarming.py), but markers in its code are code, and a definition of a footnote in it would
take the place of ours.
"""

import re
from collections.abc import Callable

# ASCII punctuation: Markdown reads a backslash before any of it as the character alone.
SIGNS = re.compile(r"([!-/:-@\[-`{-~])")
MARKER = re.compile(r"\[(\d{1,3})\]|\[(?=\^)")
FENCE = re.compile(r"((?: {0,3}>)* ?) {0,3}(?:(`{3,})(?=[^`]*\Z)|(~{3,}))(.*)")
TICKS = re.compile(r"`+")


def escaped(text: str) -> str:
    """As it stands."""
    return SIGNS.sub(r"\\\1", text)


def in_one_line(text: str) -> str:
    return escaped(" ".join(text.split()))


def with_footnotes(text: str, label: Callable[[int], str]) -> str:
    """Of text outside of code."""
    return MARKER.sub(lambda found: footnote(found, label), text)


def footnote(found: re.Match[str], label: Callable[[int], str]) -> str:
    return f"[^{label(int(found[1]))}]" if found[1] else r"\["


def open_fence(text: str) -> str:
    """The line that would close the block of code in which this ends; empty if it ends in none."""
    fence = ""
    for line in text.split("\n"):
        fence = fence_after(line, fence)
    return fence


def fence_after(line: str, fence: str) -> str:
    """The same after one more line."""
    fence = fence_in(line, fence)
    if not (found := FENCE.match(line)):
        return fence
    depth, signs = found[1].count(">"), found[2] or found[3]
    if not fence:
        return "> " * depth + signs
    is_end = signs.startswith(fence.lstrip("> ")) and not found[4].strip()
    return "" if is_end and depth == fence.count(">") else fence


def fence_in(line: str, fence: str) -> str:
    """A block of code within a quotation ends with that."""
    return fence if not fence.startswith(">") or line.lstrip(" ").startswith(">") else ""


def ends_in_code(text: str) -> bool:
    """Whether what comes next is code, as far as can be said without it."""
    above, _, line = text.rpartition("\n")
    in_block = fence_in(line, open_fence(above)) or FENCE.match(line)
    return bool(in_block) or _ends_in_span(line)


def _ends_in_span(line: str) -> bool:
    opening = ""
    for ticks in TICKS.findall(line):
        opening = ticks if not opening else "" if ticks == opening else opening
    return bool(opening)
