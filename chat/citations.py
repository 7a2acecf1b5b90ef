"""The model's markers, as they stream by, become verified citations.

A marker is held back until it is whole, so that a reader never sees half of one. A marker that was
not in this prompt is dropped and counted: nothing the model invents can look like a citation.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chat.events import Cited
from chat.fragments import link_to
from chat.llm.base import MarkedPassage
from chat.sentences import Sentence, sentences
from chat.words import content_words
from documents.passages import Passage

NOTHING_FOUND = "none"  # the marker by which a model says that the passages hold no answer
# "[k7f]", "[k7f, m2p]", and what a model may make of it. Nothing longer is ever held back.
OPENING = re.compile(r"\[[^\[\]\n]{0,60}$")
BRACKETS = re.compile(r"\[([^\[\]\n]{1,60})\](?!\()")
MARKER = re.compile(r"[a-z]\d[a-z]|\d{1,3}")
# What could mean something else when a marker before it goes: "htt[z9z]ps://", "<[z9z]img".
GROWS_TOGETHER = re.compile(r"[^\s,;?!]")
FENCE = re.compile(r"^ {0,3}(?:> ?)*(```|~~~)", re.MULTILINE)


@dataclass
class CitationStream:
    """Feed it the model's text; it yields text and Cited events, in order."""

    passages: Sequence[MarkedPassage]
    text: str = ""  # as shown so far
    cited: list[Cited] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)  # marker -> n of [n]
    unknown_markers: int = 0
    says_nothing_found: bool = False
    _held: str = ""
    _dropped: bool = False  # a marker, since something was last shown

    def feed(self, part: str) -> Iterator[str | Cited]:
        held = self._held + part
        opening = OPENING.search(held)
        cut = opening.start() if opening else len(held)
        # A "]" at the very end may still turn out to be a link's: wait for what follows.
        if cut == len(held) and (last := re.search(r"\[[^\[\]\n]{1,60}\]$", held)):
            cut = last.start()
        self._held = held[cut:]
        yield from self._resolve(held[:cut])

    def finish(self) -> Iterator[str | Cited]:
        rest, self._held = self._held, ""
        yield from self._resolve(rest)

    def _resolve(self, text: str) -> Iterator[str | Cited]:
        position = 0
        for found in BRACKETS.finditer(text):
            yield from self._show(text[position : found.start()])
            position = found.end()
            yield from self._brackets(found)
        yield from self._show(text[position:])

    def _brackets(self, found: re.Match[str]) -> Iterator[str | Cited]:
        markers = [part.strip() for part in found[1].split(",")]
        if self._inside_code():
            yield from self._show(found[0])
            return
        if markers == [NOTHING_FOUND]:
            self.says_nothing_found = self._dropped = True
            return
        known = {marked.marker: marked.passage for marked in self.passages}
        if not any(m in known for m in markers) and not all(MARKER.fullmatch(m) for m in markers):
            yield from self._show(found[0])  # ordinary brackets, say "[optional]"
            return
        for marker in markers:
            if marker not in known:
                self.unknown_markers += 1
                self._dropped = True
                continue
            number = self.numbers.get(marker)
            if number is None:
                number = self.numbers[marker] = len(self.numbers) + 1
                citation = self._cite(number, known[marker])
                self.cited.append(citation)
                yield from self._show(f"[{number}]")
                yield citation
            else:
                yield from self._show(f"[{number}]")

    def _show(self, text: str) -> Iterator[str]:
        if not text:
            return
        if self._dropped and self.text[-1:].strip() and GROWS_TOGETHER.match(text):
            text = f" {text}"
        self._dropped = False
        self.text += text
        yield text

    def _inside_code(self) -> bool:
        in_fence = len(FENCE.findall(self.text)) % 2 == 1
        line = self.text.rsplit("\n", 1)[-1]
        return in_fence or line.count("`") % 2 == 1

    def _cite(self, number: int, passage: Passage) -> Cited:
        claim = self.text.rstrip().rsplit("\n", 1)[-1]
        said = sentences(claim)
        quote = best_sentence(said[-1].text if said else claim, passage)
        return Cited(
            number=number, chunk_id=str(passage.chunk_id), title=passage.title,
            heading_path=list(passage.heading_path), url=passage.url,
            link=link_to(passage.url, passage.text, quote.start, quote.end), quote=quote.text,
            quote_start=quote.start, quote_end=quote.end, trust_tier=passage.trust_tier,
            peer_reviewed=passage.trust_tier == "peer-reviewed",
        )  # fmt: skip


def best_sentence(claim: str, passage: Passage) -> Sentence:
    """The sentence of the passage that shares most words with the claim, verbatim."""
    said = content_words(claim)
    whole = Sentence(0, len(passage.text), passage.text)
    candidates = sentences(passage.text) or [whole]

    def likeness(sentence: Sentence) -> float:
        words = content_words(sentence.text)
        return len(said & words) / (1 + len(said | words))

    return max(candidates, key=likeness)
