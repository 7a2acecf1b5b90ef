"""Answers that were given before: the same question, of the same content, in the same scope.

Kept are whole answers that nothing is wrong with, and that nothing but the question has shaped: no
conversation before it, no page, no selection. A key holds the revision of the corpus, so an answer
is not found any more as soon as anything in the corpus has changed; and its passages are read anew,
in the asker's scope, like any hit of the index.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import cache

from chat.claims import CheckedClaim, Verdict
from chat.context import Surroundings
from chat.copying import CopiedRun
from chat.events import Cited, Claims, Delta, Event, Sources
from chat.llm.base import ChatModel
from chat.models import Message
from chat.prompting import version
from chat.retrieval import Retriever
from chat.turns import Turn, claim_json, passage_json
from documents.index.base import IndexHit
from documents.ledger import this_process
from documents.models import Chunk
from documents.passages import Passage
from documents.threads import in_database_thread

FORMAT = 1  # of what is kept
WORTH_KEEPING = (Message.Outcome.ANSWERED, Message.Outcome.NOT_IN_CONTENT)


@dataclass(frozen=True)
class Remembered:
    """An answer with the passages that it was made from, as they are now."""

    answer: dict[str, Any]
    passages: list[Passage]

    def told_to(self, turn: Turn) -> Iterator[Event]:
        """As if it were written now: at any time `turn` holds what was shown so far. A citation
        follows the text that ends with its number."""
        turn.passages = known = {str(passage.chunk_id): passage for passage in self.passages}
        turn.model, turn.extractive = self.answer["model"], self.answer["extractive"]
        turn.trace |= {**self.answer["trace"], "answer_cache": self.answer["message_id"]}
        turn.cached = True
        yield Sources([passage_json(passage) for passage in self.passages], [])
        text = self.answer["text"]
        for cited in self.cited:
            end = text.find(f"[{cited.number}]", len(turn.text)) + len(f"[{cited.number}]")
            if end > len(turn.text):
                yield self._more(turn, text[:end])
            turn.cited = [*turn.cited, cited]
            yield cited
        if len(turn.text) < len(text):
            yield self._more(turn, text)
        turn.claims = self.claims
        turn.copied = [CopiedRun(passage=0, **run) for run in self.answer["copied"]]
        turn.nearest = [known[chunk_id] for chunk_id in self.answer["nearest"]]
        turn.outcome = Message.Outcome(self.answer["outcome"])
        yield Claims([claim_json(claim) for claim in turn.claims], self.answer["copied"])

    def _more(self, turn: Turn, text: str) -> Delta:
        shown, turn.text = turn.text, text
        return Delta(text.removeprefix(shown))

    @property
    def cited(self) -> list[Cited]:
        return [Cited(**cited) for cited in self.answer["cited"]]

    @property
    def claims(self) -> list[CheckedClaim]:
        return [
            CheckedClaim(**{**claim, "verdict": Verdict(claim["verdict"])})
            for claim in self.answer["claims"]
        ]


async def recall(turn: Turn, retriever: Retriever, model: ChatModel) -> Remembered | None:
    """None: it was not asked before, or the content has changed since."""
    if not may_be_kept(turn):
        return None
    known = await _recall(turn, key_of(turn, retriever, model))
    this_process.count_lookup("answers", found=known is not None)
    return known


async def keep(turn: Turn, retriever: Retriever, model: ChatModel) -> None:
    """If it is worth it. Never raises for what the cache does."""
    if may_be_kept(turn) and turn.outcome in WORTH_KEEPING and not turn.degraded:
        await _keep(key_of(turn, retriever, model), _as_json(turn))


def may_be_kept(turn: Turn) -> bool:
    alone = not turn.history and turn.surroundings == Surroundings() and not turn.anew
    return settings.ANSWER_CACHE_SECONDS > 0 and alone and turn.revision is not None


def key_of(turn: Turn, retriever: Retriever, model: ChatModel) -> str:
    """Whatever an answer depends on. The question is in it as a hash alone."""
    scope = {name: sorted(values) for name, values in asdict(turn.scope).items()}
    depends_on = [
        FORMAT, scope, turn.revision, turn.language, _as_typed(turn.question),
        str(retriever.index.space), retriever.fetch_k, retriever.top_k,
        getattr(retriever.reranker, "name", ""), model.name, version("answer"),
        settings.FUSION, settings.EVIDENCE_THRESHOLD, settings.COPY_LIMIT_WORDS,
        settings.REWRITE_COPIES, settings.CLAIM_JUDGE, settings.ANSWER_MAX_TOKENS,
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(depends_on).encode()).hexdigest()
    return f"answer:{digest}"


def _as_typed(question: str) -> str:
    """But for spaces, and for the case of its first letter. That of others counts: an option -v is
    another than -V, and a `Path` is no `path`."""
    words = " ".join(question.split())
    return words[:1].lower() + words[1:]


@in_database_thread
def _recall(turn: Turn, key: str) -> Remembered | None:
    answer = cache.get(key)
    if answer is None:
        return None
    hits = [IndexHit(UUID(chunk_id), 0.0) for chunk_id in answer["passages"]]
    passages = Chunk.objects.live(turn.scope).passages(hits)
    return Remembered(answer, passages) if len(passages) == len(hits) else None


@in_database_thread
def _keep(key: str, answer: dict[str, Any]) -> None:
    cache.set(key, answer, settings.ANSWER_CACHE_SECONDS)


def _as_json(turn: Turn) -> dict[str, Any]:
    """In the types that JSON has: that is how Redis keeps it."""
    return {
        "text": turn.text, "outcome": turn.outcome.value, "model": turn.model,
        "extractive": turn.extractive, "message_id": str(turn.message_id),
        "cited": [asdict(cited) for cited in turn.cited],
        "claims": [{**asdict(claim), "verdict": claim.verdict.value} for claim in turn.claims],
        "copied": [{"start": r.start, "end": r.end, "words": r.words} for r in turn.copied],
        "passages": [*turn.passages],
        "nearest": [str(passage.chunk_id) for passage in turn.nearest],
        "trace": {name: turn.trace[name] for name in ("query", "evidence") if name in turn.trace},
    }  # fmt: skip
