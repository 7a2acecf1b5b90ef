"""One question and its answer, saved whatever happens in between."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import OperationalError
from django.db.models import Exists, Subquery

from chat.access import scope_of
from chat.auth.principal import Principal
from chat.claims import CheckedClaim
from chat.context import NOTHING, Context, Surroundings
from chat.copying import CopiedRun
from chat.events import Cited, Delta, Done
from chat.llm.base import Attempt, Completion, Prompt, PromptMessage
from chat.llm.fallback import MAX_CALLS
from chat.models import Citation, Claim, Conversation, Message, MessageQuerySet
from chat.phrases import RETRACTED_ALONE, phrase
from chat.processes import this_process
from documents.kept_requests import KeptRequest
from documents.models import Corpus, IndexChange
from documents.passages import Passage
from documents.scope import Scope
from documents.threads import in_database_thread

Opened = tuple[UUID, list[PromptMessage], int | None]


@dataclass
class Turn:
    """Filled in as the pipeline goes; saved as it stands when the turn ends."""

    conversation: Conversation
    principal: Principal
    question: str
    scope: Scope
    id: UUID = field(default_factory=uuid4)  # of the answer, from the beginning
    message_id: UUID | None = None  # the same, once the answer has a row
    history: list[PromptMessage] = field(default_factory=list)
    # What was said before as the caller tells it, in place of what was saved. It serves to condense
    # a follow-up, and for nothing else: no answer is written from it.
    told_before: Sequence[PromptMessage] | None = None
    text: str = ""
    status: Message.Status = Message.Status.STREAMING
    outcome: Message.Outcome = Message.Outcome.NONE
    cited: Sequence[Cited] = ()
    passages: dict[str, Passage] = field(default_factory=dict)  # by chunk id
    claims: Sequence[CheckedClaim] = ()
    copied: Sequence[CopiedRun] = ()
    nearest: Sequence[Passage] = ()
    degraded: list[str] = field(default_factory=list)
    model: str = ""
    extractive: bool = False
    usage: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    trace: dict[str, Any] = field(default_factory=dict)
    prompt: Prompt | None = None  # what the model was asked; not saved
    stop_requested: bool = False
    saved_before: bool = False  # another end than this one is stored, or this one already
    deleted: bool = False  # with its conversation, while it was written
    surroundings: Surroundings = field(default_factory=Surroundings)  # as the caller tells
    context: Context = NOTHING  # what was found of them
    calls_left: int = MAX_CALLS  # upstream calls to models
    revision: int | None = None  # of the corpus; None: what the index finds may be older than it
    anew: bool = False  # whatever was answered before
    again: UUID | None = None  # the question that is there already, if it is answered once more
    cached: bool = False  # the answer was given before
    store: bool = True  # as the caller wants it
    kept: KeptRequest | None = None  # by which the request is known if it is sent again

    @classmethod
    def of(
        cls, body: Mapping[str, Any], conversation: Conversation, principal: Principal, **more: Any
    ) -> "Turn":
        """As somebody asks for it; `body` was checked (QuestionSerializer)."""
        return cls(
            conversation=conversation,
            principal=principal,
            question=body["question"],
            scope=scope_of(conversation.corpus, body.get("filters")),
            surroundings=Surroundings.of(body),
            store=body.get("store", True),
            **more,
        )

    @property
    def stored(self) -> bool:
        """Whether anything of this turn is kept once it is over."""
        return self.store and bool(self.conversation.corpus.keeps_for)

    @property
    def language(self) -> str:
        return self.conversation.corpus.language

    @property
    def retraction_notice(self) -> str:
        return phrase(RETRACTED_ALONE, self.question, self.language)

    @property
    def copied_json(self) -> list[dict[str, int]]:
        return [{"start": run.start, "end": run.end, "words": run.words} for run in self.copied]

    def took(self, stage: str, began: float) -> None:
        """Milliseconds since `began` (of perf_counter), the first time that this stage is told."""
        self.timings.setdefault(stage, round((perf_counter() - began) * 1000, 2))

    def tried(self, attempts: Sequence[Attempt]) -> None:
        """Models that could not answer; those that were called count against the turn's calls."""
        if attempts:
            told = [*self.trace.get("attempts", []), *(vars(attempt) for attempt in attempts)]
            self.trace["attempts"] = told
            self.calls_left -= sum(attempt.called for attempt in attempts)

    def show(self, part: str | Cited) -> Delta | Cited:
        """A piece of the answer, as an event: what was shown is what will be saved."""
        if isinstance(part, Cited):
            self.cited = [*self.cited, part]
            return part
        self.text += part
        return Delta(part)

    def forget(self) -> None:
        """What was shown so far: a whole new answer takes its place."""
        self.text, self.cited, self.claims, self.copied = "", (), (), ()
        self.outcome = Message.Outcome.NONE

    def add_usage(self, completion: Completion | None) -> None:
        """Of one more model call."""
        if completion is None:
            return
        known, cost = self.usage, completion.cost
        if known.get("cost") is not None:
            cost = known["cost"] + (cost or 0.0)
        self.usage = {
            "prompt_tokens": known.get("prompt_tokens", 0) + completion.prompt_tokens,
            "completion_tokens": known.get("completion_tokens", 0) + completion.completion_tokens,
            "cost": cost,
            "finish_reason": known.get("finish_reason", completion.finish_reason),
        }

    def done(self) -> Done:
        return Done(
            conversation_id=str(self.conversation.pk), message_id=str(self.message_id),
            status=self.status.value, outcome=self.outcome.value, text=self.text,
            citations=[citation_json(c) for c in self.cited],
            claims=[claim_json(c) for c in self.claims],
            copied=self.copied_json,
            nearest=[passage_json(p) for p in self.nearest], degraded=self.degraded,
            model=self.model, extractive=self.extractive, cached=self.cached, usage=self.usage,
            timings=self.timings,
        )  # fmt: skip


def citation_json(cited: Cited) -> dict[str, Any]:
    return {
        "number": cited.number, "chunk_id": cited.chunk_id, "title": cited.title,
        "heading_path": cited.heading_path, "url": cited.url, "link": cited.link,
        "quote": cited.quote, "quote_start": cited.quote_start, "quote_end": cited.quote_end,
        "trust_tier": cited.trust_tier, "peer_reviewed": cited.peer_reviewed,
    }  # fmt: skip


def claim_json(claim: CheckedClaim) -> dict[str, Any]:
    return {
        "start": claim.start, "end": claim.end, "verdict": claim.verdict.value,
        "citation": claim.citation, "support_start": claim.support_start,
        "support_end": claim.support_end, "reason": claim.reason,
    }  # fmt: skip


def passage_json(passage: Passage) -> dict[str, Any]:
    """What a reader may know of a retrieved passage: where it is, not how it scored."""
    return {
        "chunk_id": str(passage.chunk_id), "title": passage.title,
        "heading_path": list(passage.heading_path), "url": passage.url,
        "source": passage.source, "version": passage.version, "language": passage.language,
        "trust_tier": passage.trust_tier,
        "peer_reviewed": passage.trust_tier == "peer-reviewed",
    }  # fmt: skip


@asynccontextmanager
async def recorded(turn: Turn) -> AsyncIterator[Turn]:
    """Save the question first and the answer last: complete, failed, or cut short.

    Both saves are shielded: a reader who hangs up cancels this very task, and what was begun must
    not be left half done.
    """
    opening = asyncio.ensure_future(_open(turn))  # of one that is not stored: no row, no history
    try:
        turn.message_id, turn.history, turn.revision = await asyncio.shield(opening)
        yield turn
        turn.status = Message.Status.COMPLETE
    except Exception:
        turn.status = Message.Status.FAILED
        raise
    except BaseException:  # cancelled, or the generator was closed: nobody listens any more
        turn.status = (
            Message.Status.CANCELLED if turn.stop_requested else Message.Status.INTERRUPTED
        )
        raise
    finally:
        await asyncio.shield(asyncio.ensure_future(_finish(turn, opening)))


async def _finish(turn: Turn, opening: "asyncio.Future[Opened]") -> None:
    if turn.message_id is None:
        with suppress(Exception):  # whoever awaited it has heard of it
            turn.message_id, turn.history, turn.revision = await opening
    if turn.message_id is None or not turn.stored:
        return  # nothing was saved, so nothing is left open
    try:
        await _close(turn)
    except OperationalError:  # locked, or a connection that was cut: once more, then give up
        await _close(turn)


def _open_turn(turn: Turn) -> Opened:
    if not turn.stored:
        return turn.id, [*(turn.told_before or ())], _settled_revision(turn.conversation.corpus_id)
    history = _saved_before(turn) if turn.told_before is None else [*turn.told_before]
    _asked, answer = Message.objects.open_turn(
        turn.conversation,
        turn.question,
        answer_id=turn.id,
        process=this_process(),
        again=turn.again,
    )
    return answer.pk, history, _settled_revision(turn.conversation.corpus_id)


def _saved_before(turn: Turn) -> list[PromptMessage]:
    return [
        PromptMessage(role, text)  # type: ignore[arg-type]
        for role, text in _said_before(turn)
        .order_by("-created_at", "role")
        .values_list("role", "text")[:6]
    ][::-1]


def _said_before(turn: Turn) -> MessageQuerySet:
    said = Message.objects.said().filter(conversation=turn.conversation)
    if turn.again is None:
        return said
    asked_at = Message.objects.filter(pk=turn.again).values("created_at")
    return said.filter(created_at__lt=Subquery(asked_at))


def _settled_revision(corpus: int) -> int | None:
    owes = Exists(IndexChange.objects.all())
    rows = Corpus.objects.filter(pk=corpus).annotate(owes=owes).values_list("revision", "owes")
    # None: the corpus has just been deleted.
    revision, owed = rows.first() or (None, False)
    # An embedded index reads what it owes before it searches; Qdrant is told soon afterwards.
    return None if owed and settings.QDRANT_URL else revision


def _close_turn(turn: Turn) -> None:
    assert turn.message_id is not None  # noqa: S101 - set when the turn was opened
    turn.saved_before = not Message.objects.close_turn(
        turn.message_id,
        {
            "text": turn.text, "status": turn.status, "outcome": turn.outcome,
            "model": turn.model, "usage": turn.usage, "timings": turn.timings,
            "trace": turn.trace | ({"copied": turn.copied_json} if turn.copied else {}),
        },
        [
            Citation.of(c, turn.message_id, turn.passages[c.chunk_id].text_hash)
            for c in turn.cited
        ],
        [
            Claim(
                message_id=turn.message_id, position=position, start=claim.start, end=claim.end,
                verdict=claim.verdict.value, citation_number=claim.citation,
                support_start=claim.support_start, support_end=claim.support_end,
                reason=claim.reason[:300],
            )
            for position, claim in enumerate(turn.claims)
        ],
    )  # fmt: skip


_open = in_database_thread(_open_turn)
_close = in_database_thread(_close_turn)
