"""Answers that were given before: the same question, of the same content, in the same scope.

Kept are whole answers that nothing is wrong with, and that nothing but the question has shaped: no
conversation before it, no page, no selection. A key holds the revision of the corpus, so an answer
is not found any more as soon as anything in the corpus has changed. What is kept names the message;
its text is read from the database, and its passages anew, in the asker's scope, like any hit.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from uuid import UUID

from django.conf import settings
from django.core.cache import cache

from chat.claims import CheckedClaim
from chat.context import Surroundings
from chat.copying import CopiedRun
from chat.events import Cited, Claims, Event, Sources
from chat.llm.base import ChatModel
from chat.llm.extractive import ExtractiveModel
from chat.models import Message
from chat.prompting import version
from chat.retrieval import Retriever
from chat.saved import checked_of, cited_of
from chat.turns import Turn, claim_json, passage_json
from documents.index.base import IndexHit
from documents.ledger import this_process
from documents.models import Chunk
from documents.passages import Passage
from documents.threads import in_database_thread

FORMAT = 2  # of what is kept
TOLD = ("query", "evidence")  # of the first answer's trace
WORTH_KEEPING = (Message.Outcome.ANSWERED, Message.Outcome.NOT_IN_CONTENT)


@dataclass(frozen=True)
class Remembered:
    """An answer as it was saved, with the passages that it was made from as they are now."""

    message: Message
    cited: list[Cited]
    claims: list[CheckedClaim]
    passages: list[Passage]
    nearest: list[str]  # chunk ids
    copied: list[dict[str, int]]

    def told_to(self, turn: Turn) -> Iterator[Event]:
        """As if it were written now: at any time `turn` holds what was shown so far. A citation
        follows the text that ends with its number."""
        turn.passages = known = {str(passage.chunk_id): passage for passage in self.passages}
        turn.model, turn.cached = self.message.model, True
        turn.extractive = turn.model == ExtractiveModel.name
        turn.trace |= {
            name: self.message.trace[name] for name in TOLD if name in self.message.trace
        }
        turn.trace["answer_cache"] = str(self.message.pk)
        yield Sources([passage_json(passage) for passage in self.passages], [])
        text = self.message.text
        for cited in self.cited:
            end = text.find(f"[{cited.number}]", len(turn.text)) + len(f"[{cited.number}]")
            if end > len(turn.text):
                yield turn.show(text[len(turn.text) : end])
            yield turn.show(cited)
        if len(turn.text) < len(text):
            yield turn.show(text[len(turn.text) :])
        turn.claims = self.claims
        turn.copied = [CopiedRun(passage=0, **run) for run in self.copied]
        turn.nearest = [known[chunk_id] for chunk_id in self.nearest]
        turn.outcome = Message.Outcome(self.message.outcome)
        yield Claims([claim_json(claim) for claim in turn.claims], self.copied)


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
        await _keep(turn, key_of(turn, retriever, model))


def may_be_kept(turn: Turn) -> bool:
    if not turn.stored:
        return False
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
    kept = cache.get(key)
    if kept is None:
        return None
    message = Message.objects.filter(
        pk=kept["message"],
        status=Message.Status.COMPLETE,
        conversation__corpus_id__in=turn.scope.corpora,
    ).first()
    hits = [IndexHit(UUID(chunk_id), 0.0) for chunk_id in kept["passages"]]
    passages = Chunk.objects.live(turn.scope).passages(hits)
    if message is None or len(passages) != len(hits):
        return None
    return Remembered(
        message,
        [cited_of(row) for row in message.citations.all()],
        [checked_of(row) for row in message.claims.all()],
        passages,
        kept["nearest"],
        kept["copied"],
    )


@in_database_thread
def _keep(turn: Turn, key: str) -> None:
    """No text: that is in the database alone, and goes when it goes there."""
    kept = {
        "message": str(turn.message_id),
        "passages": [*turn.passages],
        "nearest": [str(passage.chunk_id) for passage in turn.nearest],
        "copied": [{"start": r.start, "end": r.end, "words": r.words} for r in turn.copied],
    }
    cache.set(key, kept, settings.ANSWER_CACHE_SECONDS)
