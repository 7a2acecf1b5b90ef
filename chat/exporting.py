"""A conversation as Markdown, to be read elsewhere: nothing that somebody wrote is active in it.

Answers are saved without links, pictures and HTML (chat/disarming.py), so they stand as they are;
questions and titles are anybody's text, and every sign that Markdown could read is escaped.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

SIGNS = re.compile(r"([!-/:-@\[-`{-~])")  # ASCII punctuation: Markdown escapes any of it
MARKER = re.compile(r"\[(\d{1,3})\]")
FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
SHOWN = frozenset(["http", "https"])
SAFE = "%/:?#@!$&'()*+,;=~-._"  # the rest of an address, "<" and spaces above all, is encoded


def markdown(title: str, about: str, messages: Iterable[Mapping[str, Any]], server: str) -> str:
    """Of messages as the API tells them, oldest first. Addresses on `server` are made whole."""
    parts = [f"# {escaped(title) or 'Conversation'}", escaped(about)]
    for number, message in enumerate(messages, 1):
        if message["role"] == "user":
            parts += ["## Question", quoted(message["text"])]
        else:
            parts += [_heading(message), noted(message["text"], number)]
            parts += [_note(citation, number, server) for citation in message["citations"]]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """On one line."""
    return SIGNS.sub(r"\\\1", " ".join(text.split()))


def quoted(text: str) -> str:
    lines = [SIGNS.sub(r"\\\1", line.strip()) for line in text.splitlines()]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def noted(text: str, number: int) -> str:
    """The text with its markers as footnotes of their own, but not in code; code is closed."""
    lines, fence = [], ""
    for line in text.splitlines():
        opening = FENCE.match(line)
        if fence:
            if opening and opening[1].startswith(fence) and not line.strip(" `~"):
                fence = ""
        elif opening:
            fence = opening[1]
        else:
            line = _with_notes(line, number)
        lines.append(line)
    return "\n".join([*lines, fence] if fence else lines)


def _with_notes(line: str, number: int) -> str:
    parts, end = [], 0
    for code in SPAN.finditer(line):
        parts += [MARKER.sub(rf"[^{number}-\1]", line[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, MARKER.sub(rf"[^{number}-\1]", line[end:])])


def _heading(message: Mapping[str, Any]) -> str:
    notes = [message["status"]] if message["status"] != "complete" else []
    notes += ["superseded"] if message["superseded"] else []
    return f"## Answer ({', '.join(notes)})" if notes else "## Answer"


def _note(citation: Mapping[str, Any], number: int, server: str) -> str:
    place = " › ".join([citation["title"], *citation["heading_path"]]).strip(" ›")
    parts = [escaped(place) or "No longer there", _address(citation["url"], server)]
    if citation["quote"]:
        parts.append(f"“{escaped(citation['quote'])}”")
    return f"[^{number}-{citation['number']}]: " + " · ".join(part for part in parts if part)


def _address(url: str, server: str) -> str:
    if not url:
        return ""
    try:
        whole = urljoin(server, url)
        if urlsplit(whole).scheme not in SHOWN:
            return ""
    except ValueError:
        return ""
    return f"<{quote(whole, safe=SAFE)}>"
