"""Claim ledger: does each sentence of an answer follow from what it cites?

A sentence is compared with one to three sentences in a row of each passage it cites. Numbers,
names, negations and opposites must agree with them; then words and meaning together must be near
enough. A paraphrase in quite other words may be called unsupported: the ledger is meant to be
strict, and it never says that a source is right.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from chat.grounding.likeness import Vectors, enough, score
from chat.grounding.objections import missing_keys
from chat.grounding.quotations import Quotation, quotations
from chat.grounding.spans import Span, Text, text_of, topic_of
from chat.grounding.statements import Statement, statements
from chat.grounding.tokens import without_code, words_of
from chat.grounding.weighing import Weighed, weigh
from documents.embedding.base import EmbeddingError
from documents.passages import Passage

logger = logging.getLogger(__name__)

LONGEST = 2000  # characters of a sentence; comparing more would take too long
STEP = re.compile(r"\d\.?")  # "Step 2" of a heading
ADDRESS = re.compile(
    r"\]\(\s{0,4}<?([^()\s<>]{1,2000})"
    r"|(https?://[A-Za-z0-9\-._~:/?#@!$&'*+,;=%]{1,2000}(?<![.,;:!?]))"
)


class Verdict(StrEnum):
    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"
    NO_CLAIM = "no_claim"


@dataclass(frozen=True)
class CheckedClaim:
    """One sentence of the answer; `support_*` are characters of the cited chunk's text."""

    start: int
    end: int
    verdict: Verdict
    citation: int | None = None
    support_start: int | None = None
    support_end: int | None = None
    reason: str = ""
    only_far: bool = False  # unsupported for want of likeness alone: nothing speaks against it


def check_claims(
    answer: str,
    cited: Mapping[int, Passage],
    *,
    retrieved: Sequence[Passage] = (),
    vectors: Vectors | None = None,
) -> list[CheckedClaim]:
    """A verdict on every sentence. `cited` maps the n of [n] to its passage.

    `retrieved` are all passages of the turn: what bears a sentence out without being cited by it
    is told, and does not count. `vectors` embeds all that is undecided by words in one batch.
    """
    ledger = _Ledger(answer, cited, retrieved)
    verdicts = [ledger.check(statement) for statement in ledger.statements]
    cosines = _cosines([pending for verdict in verdicts for pending in verdict.pending], vectors)
    return [ledger.settled(verdict, cosines) for verdict in verdicts]


@dataclass(frozen=True)
class _Draft:
    """A verdict, or what it still hangs on: every one of `weighed` must be near enough."""

    statement: Statement
    claim: CheckedClaim | None = None
    weighed: tuple[Weighed, ...] = ()

    @property
    def pending(self) -> list[Weighed]:
        return [weighed for weighed in self.weighed if weighed.pending]


Cosines = Mapping[tuple[str, str], float]


def _cosines(pending: Sequence[Weighed], vectors: Vectors | None) -> Cosines:
    if vectors is None or not pending:
        return {}
    texts = list(dict.fromkeys(text for weighed in pending for text in weighed.texts))
    try:
        rows = dict(zip(texts, vectors.embed_documents(texts), strict=True))
    except EmbeddingError as error:
        logger.warning("Claims are compared by words alone: %s", error)
        return {}
    return {
        weighed.texts: float(rows[weighed.texts[0]] @ rows[weighed.texts[1]]) for weighed in pending
    }


@dataclass
class _Ledger:
    answer: str
    cited: Mapping[int, Passage]
    retrieved: Sequence[Passage]
    statements: list[Statement] = field(init=False)
    quoted: list[Quotation] = field(init=False)
    texts: dict[int, Text] = field(init=False)
    topics: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        passages = [*self.cited.values(), *self.retrieved]
        self.language = passages[0].language if passages else "en"
        self.statements = statements(self.answer, set(self.cited), self.language)
        self.quoted = quotations(self.answer)
        self.topics = frozenset[str]().union(
            *(topic_of(passage.breadcrumb, passage.language) for passage in passages)
        )
        self.texts = {number: _text(passage) for number, passage in self.cited.items()}

    def check(self, statement: Statement) -> _Draft:
        if statement.said.kind == "code":
            return _Draft(statement, self._code(statement))
        if len(statement.said.markdown) > LONGEST:
            return _Draft(statement, _unsupported(statement, "too long to be checked"))
        if claim := self._foreign_link(statement) or self._quotations(statement):
            return _Draft(statement, claim)
        if not statement.claims or not words_of(statement.said.plain).words:
            return _Draft(statement, self._no_claim(statement))
        if not statement.citations:
            return _Draft(statement, _unsupported(statement, "cites nothing"))
        parts = statement.parts or (statement,)
        return _Draft(statement, None, tuple(self._weigh(part) for part in parts))

    def settled(self, draft: _Draft, cosines: Cosines) -> CheckedClaim:
        if draft.claim:
            return draft.claim
        first, *_ = draft.weighed
        for weighed in draft.weighed:
            reason = weighed.objection or _too_far(weighed, cosines.get(weighed.texts))
            if reason:
                better = self._elsewhere(draft.statement)
                found = _unsupported(draft.statement, better or reason, weighed)
                alone = not weighed.objection and not better and len(draft.weighed) == 1
                return replace(found, only_far=alone)
        span = first.spans[0]
        whole = draft.statement.said
        return CheckedClaim(
            whole.start, whole.end, Verdict.SUPPORTED, first.number, span.start, span.end
        )

    def _weigh(self, statement: Statement) -> Weighed:
        texts = {number: self.texts[number] for number in statement.citations}
        return weigh(statement.said, texts, self.topics)

    def _elsewhere(self, statement: Statement) -> str:
        """What to say if a passage that the sentence does not cite bears it out."""
        numbers = {id(passage): number for number, passage in self.cited.items()}
        own = {self.cited[number].chunk_id for number in statement.citations}
        for passage in {p.chunk_id: p for p in [*self.cited.values(), *self.retrieved]}.values():
            if passage.chunk_id in own:
                continue
            weighed = weigh(statement.said, {0: _text(passage)})
            if not weighed.objection and enough(weighed.share, None):
                number = numbers.get(id(passage))
                name = f"[{number}]" if number else f"“{passage.breadcrumb[:100]}”"
                return f"it stands in {name}, which it does not cite"
        return ""

    def _no_claim(self, statement: Statement) -> CheckedClaim:
        """Lead-ins and headings need no citation, but the numbers in them must stand somewhere."""
        said = statement.said
        everywhere = [span for text in self.texts.values() for span in text.parts]
        keys = [q for q in said.quantities if not q.weak and not STEP.fullmatch(q.written)]
        if keys or (statement.own and said.kind != "heading"):
            spans = [Span((part,)) for part in everywhere]
            headings = [text.heading for text in self.texts.values()]
            lost = missing_keys(said, spans, headings) if spans else []
            if not statement.own:
                lost = [key for key in lost if any(character.isdigit() for character in key)]
            if lost:
                return _unsupported(statement, f"not in the passages: {', '.join(lost[:5])}")
        return CheckedClaim(said.start, said.end, Verdict.NO_CLAIM)

    def _code(self, statement: Statement) -> CheckedClaim:
        """Code is copied, not phrased: each of its lines stands in a passage."""
        said = statement.said
        lines = [line for line in _code_lines(said.markdown) if line]
        if not lines:
            return CheckedClaim(said.start, said.end, Verdict.NO_CLAIM)
        for number in statement.citations or tuple(self.cited):
            if place := _place_of_code(lines, self.cited[number].text):
                return CheckedClaim(said.start, said.end, Verdict.SUPPORTED, number, *place)
        return _unsupported(statement, "this code stands in no passage that is cited")

    def _foreign_link(self, statement: Statement) -> CheckedClaim | None:
        """A link or picture that stands in no cited passage is the model's own."""
        for address in _addresses(statement.said.markdown):
            if not any(address in self.cited[n].text for n in self.cited):
                return _unsupported(statement, f"its link stands in no passage: {address[:100]}")
        return None

    def _quotations(self, statement: Statement) -> CheckedClaim | None:
        """Exact quotations need no further check; made-up ones no further look."""
        said = statement.said
        inside = [q for q in self.quoted if q.start < said.end and said.start < q.end]
        outside = words_of(self._unquoted(statement, inside)).words
        for quotation in inside:
            place = self._place(quotation, statement.citations)
            if place is None and (quotation.marked or not outside):
                if not statement.citations and not statement.claims:
                    continue  # the title in "From “Backups”:" is no claim
                if any(holds_words(quotation, self.cited[n].breadcrumb) for n in self.cited):
                    continue
                return _unsupported(statement, self._why_not(quotation))
        if inside and not outside and statement.citations:
            number, start, end = self._place(inside[0], statement.citations) or (0, 0, 0)
            return CheckedClaim(said.start, said.end, Verdict.SUPPORTED, number, start, end)
        return None

    def _unquoted(self, statement: Statement, inside: Sequence[Quotation]) -> str:
        text = self.answer[statement.said.start : statement.said.end]
        for quotation in inside:
            first = max(0, quotation.start - statement.said.start)
            last = quotation.end - statement.said.start
            text = text[:first] + " " * len(text[first:last]) + text[max(last, 0) :]
        return text

    def _place(self, quotation: Quotation, among: Sequence[int]) -> tuple[int, int, int] | None:
        for number in among:
            if place := quotation.place(self.cited[number].text):
                return number, *place
        return None

    def _why_not(self, quotation: Quotation) -> str:
        for passage in [*self.cited.values(), *self.retrieved]:
            if quotation.place(passage.text):
                return "it quotes a passage that it does not cite"
        return "these words in quotation marks stand in no passage"


def _too_far(weighed: Weighed, cosine: float | None) -> str:
    if enough(weighed.share, cosine):
        return ""
    reached = score(weighed.share, cosine)
    return f"the passage is not near enough ({reached:.0%}; {weighed.share:.0%} of the words)"


def _unsupported(statement: Statement, reason: str, weighed: Weighed | None = None) -> CheckedClaim:
    said = statement.said
    if weighed is None:
        return CheckedClaim(said.start, said.end, Verdict.UNSUPPORTED, reason=reason)
    span = weighed.spans[0]
    return CheckedClaim(
        said.start, said.end, Verdict.UNSUPPORTED, weighed.number, span.start, span.end, reason
    )


def _text(passage: Passage) -> Text:
    return text_of(passage.text, passage.breadcrumb, passage.language)


def holds_words(quotation: Quotation, text: str) -> bool:
    return quotation.place(text) is not None


def _code_lines(fence: str) -> Iterator[str]:
    for line in fence.split("\n"):
        if not line.strip().startswith(("```", "~~~")):
            yield " ".join(line.split())


def _place_of_code(lines: Sequence[str], text: str) -> tuple[int, int] | None:
    """From the first to the last of these lines in the passage; None if one is not there."""
    places: dict[str, tuple[int, int]] = {}
    at = 0
    for line in text.split("\n"):
        places.setdefault(" ".join(line.split()), (at, at + len(line)))
        at += len(line) + 1
    for line in lines:
        if line not in places and (quoted := text.find(f"`{line}`")) >= 0:
            places[line] = (quoted + 1, quoted + 1 + len(line))
    if not all(line in places for line in lines):
        return None
    return min(places[line][0] for line in lines), max(places[line][1] for line in lines)


def _addresses(markdown: str) -> list[str]:
    return [first or second for first, second in ADDRESS.findall(without_code(markdown))]
