"""Citations as Markdown footnotes, for clients that show an answer's text and nothing else."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

MARKER = re.compile(r"\[(\d{1,3})\]|\[(?=\^)")
FENCE = re.compile(r"^ {0,3}(?:> ?)*(```|~~~)", re.MULTILINE)
# Titles and quotations come from documents: nothing in them may become markup or a link. Markdown
# reads a backslash before any of these as the character alone.
MARKUP = re.compile(r"([!-/:-@\[-`{-~])")
UNESCAPED = "!$%&'()*+,/:;=?@[]#~"  # in addresses, which are encoded already
QUOTE_CHARS = 300


class Footnotes:
    """Follows one answer's text: `[1]` becomes `[^1]`, and the definitions come at its end.

    After a restart the labels begin with the number of the attempt, so that what is left standing
    of the first one does not seem to cite the sources of the second.
    """

    def __init__(self) -> None:
        self.text, self.attempt = "", 1

    def shown(self, delta: str) -> str:
        """A piece of the answer, which never ends in half a marker."""
        pieces, position = [], 0
        for found in MARKER.finditer(delta):
            before = self.text + delta[: found.start()]
            if not _ends_in_code(before):
                marker = f"[^{self._label(int(found[1]))}]" if found[1] else r"\["
                pieces += [delta[position : found.start()], marker]
                position = found.end()
        self.text += delta
        return "".join([*pieces, delta[position:]])

    def begin_anew(self) -> None:
        self.text, self.attempt = "", self.attempt + 1

    def definitions(self, citations: Sequence[Mapping[str, Any]]) -> str:
        return "".join(
            f"\n\n[^{self._label(cited['number'])}]: {_definition(cited)}" for cited in citations
        )

    def _label(self, number: int) -> str:
        return str(number) if self.attempt == 1 else f"{self.attempt}.{number}"


def link_to(cited: Mapping[str, Any]) -> str:
    """A Markdown link to where the quoted sentence stands."""
    named = " › ".join(cited["heading_path"]) or cited["title"] or cited["url"]
    return f"[{escaped(named)}](<{quote(cited['link'], safe=UNESCAPED)}>)"


def escaped(text: str) -> str:
    return MARKUP.sub(r"\\\1", " ".join(text.split()))


def _definition(cited: Mapping[str, Any]) -> str:
    said = " ".join(cited["quote"].split())
    said = said if len(said) <= QUOTE_CHARS else f"{said[:QUOTE_CHARS].rstrip()}…"
    return f"{link_to(cited)}: “{escaped(said)}”"


def in_fence(text: str) -> bool:
    return len(FENCE.findall(text)) % 2 == 1


def _ends_in_code(text: str) -> bool:
    return in_fence(text) or text.rsplit("\n", 1)[-1].count("`") % 2 == 1
