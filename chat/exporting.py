"""A conversation as Markdown, to be read elsewhere: nothing that somebody wrote is active in it.

Answers are saved without links, pictures and HTML (chat/disarming.py), so they stand as they are;
questions and titles are anybody's text, and every sign that Markdown could read is escaped.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from chat.markdown import escaped, fence_after, fence_in, in_one_line, with_footnotes

SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
SHOWN = frozenset(["http", "https"])
SAFE = "%/:?#@!$&'()*+,;=~-._"  # the rest of an address, "<" and spaces above all, is encoded


def markdown(title: str, about: str, messages: Iterable[Mapping[str, Any]], server: str) -> str:
    """Of messages as the API tells them, oldest first. Addresses on `server` are made whole."""
    parts = [f"# {in_one_line(title) or 'Conversation'}", in_one_line(about)]
    for number, message in enumerate(messages, 1):
        if message["role"] == "user":
            parts += ["## Question", quoted(message["text"])]
        else:
            parts += [_heading(message), noted(message["text"], number)]
            parts += [_note(citation, number, server) for citation in message["citations"]]
    return "\n\n".join(part for part in parts if part) + "\n"


def quoted(text: str) -> str:
    lines = [escaped(line.strip()) for line in text.splitlines()]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def noted(text: str, number: int) -> str:
    """The text with its markers as footnotes of their own, but not in code; code is closed."""
    lines, fence = [], ""
    for line in text.strip("\n").split("\n"):
        before, fence = fence_in(line, fence), fence_after(line, fence)
        lines.append(line if before or fence else _with_notes(line, number))
    return "\n".join([*lines, fence] if fence else lines)


def _with_notes(line: str, number: int) -> str:
    def label(cited: int) -> str:
        return f"{number}-{cited}"

    parts, end = [], 0
    for code in SPAN.finditer(line):
        parts += [with_footnotes(line[end : code.start()], label), code[0]]
        end = code.end()
    return "".join([*parts, with_footnotes(line[end:], label)])


def _heading(message: Mapping[str, Any]) -> str:
    notes = [message["status"]] if message["status"] != "complete" else []
    notes += ["superseded"] if message["superseded"] else []
    return f"## Answer ({', '.join(notes)})" if notes else "## Answer"


def _note(citation: Mapping[str, Any], number: int, server: str) -> str:
    place = " › ".join([citation["title"], *citation["heading_path"]]).strip(" ›")
    parts = [in_one_line(place) or "No longer there", _address(citation["url"], server)]
    if citation["quote"]:
        parts.append(f"“{in_one_line(citation['quote'])}”")
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
