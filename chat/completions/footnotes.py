"""Citations as Markdown footnotes, for clients that show an answer's text and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from chat.markdown import MARKER, ends_in_code, footnote, in_one_line

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
            if not ends_in_code(self.text + delta[: found.start()]):
                pieces += [delta[position : found.start()], footnote(found, self._label)]
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
    return f"[{in_one_line(named)}](<{quote(cited['link'], safe=UNESCAPED)}>)"


def _definition(cited: Mapping[str, Any]) -> str:
    said = " ".join(cited["quote"].split())
    said = said if len(said) <= QUOTE_CHARS else f"{said[:QUOTE_CHARS].rstrip()}…"
    return f"{link_to(cited)}: “{in_one_line(said)}”"
