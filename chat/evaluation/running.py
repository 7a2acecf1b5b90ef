"""Questions asked on the production path, one after the other, and what was seen of each."""

import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from chat import trace
from chat.auth.principal import Principal
from chat.evaluation.cases import Case, Section
from chat.evaluation.measures import Asked, Place, Statement
from chat.events import Done, Error
from chat.models import Conversation, Message
from chat.pipeline import AnswerPipeline
from chat.reranking.passthrough import KeepOrder
from chat.retrieval import Retriever
from chat.turns import Turn
from documents.models import Chunk, Corpus, Document
from documents.scope import Scope
from documents.threads import in_database_thread

OWNER = "evaluation-"  # no id of a user looks like this
ABANDONED = timedelta(hours=1)  # no question takes that long


async def ask_all(
    pipeline: AnswerPipeline,
    corpus: Corpus,
    cases: Iterable[Case],
    anchors: Mapping[Section, str],
) -> AsyncIterator[Asked]:
    """Each conversation is deleted as soon as it was looked at."""
    await in_database_thread(_delete_abandoned)()
    await warm_up(pipeline.retriever, Scope(frozenset([corpus.pk])))
    for case in cases:
        # A principal for each question: none of them has used up a budget.
        principal = Principal("user", f"{OWNER}{uuid.uuid4().hex}", frozenset([corpus.pk]))
        turn = await in_database_thread(_new_turn)(corpus, principal, case)
        last: Done | Error | None = None
        try:
            async for event in pipeline.answer(turn):
                if isinstance(event, Done | Error):
                    last = event
            yield await in_database_thread(_seen)(case, turn, last, anchors)
        finally:
            await in_database_thread(_delete)(turn.conversation)


async def warm_up(retriever: Retriever, scope: Scope) -> None:
    """The first search loads models and fills the index; it must not count. Nothing is reranked:
    those calls are counted elsewhere."""
    await replace(retriever, reranker=KeepOrder()).search("warm up", scope)


def _new_turn(corpus: Corpus, principal: Principal, case: Case) -> Turn:
    conversation = Conversation.objects.create(corpus=corpus, owner=principal.owner)
    for role, said in case.history:  # one by one: their times keep their order
        Message.objects.create(conversation=conversation, role=role, text=said)
    return Turn(conversation, principal, case.question, principal.scope, anew=True)


def _delete(conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).delete()


def _delete_abandoned() -> None:
    """What an evaluation left that was killed."""
    Conversation.objects.filter(
        owner__startswith=f"user:{OWNER}", created_at__lt=timezone.now() - ABANDONED
    ).delete()


def _seen(
    case: Case, turn: Turn, last: Done | Error | None, anchors: Mapping[Section, str]
) -> Asked:
    fetched = [row["id"] for row in trace.candidates(turn.trace)]
    places = places_of([*turn.passages, *fetched])
    shown = [places[uuid.UUID(pk)] for pk in turn.passages if uuid.UUID(pk) in places]
    others = [places[uuid.UUID(pk)] for pk in fetched if uuid.UUID(pk) in places]
    error = "" if isinstance(last, Done) else getattr(last, "code", "no_end")
    return Asked(
        case=case, outcome=str(turn.outcome.value) if not error else "", text=turn.text,
        error=error, passages=shown,
        passage_text="\n".join(passage.text for passage in turn.passages.values()),
        ranking=[*shown, *others],
        cited={
            cited.number: Place(
                places[uuid.UUID(cited.chunk_id)].page,
                (cited.title, *cited.heading_path), cited.url,
            )
            for cited in turn.cited if uuid.UUID(cited.chunk_id) in places
        },
        statements=[Statement(claim.verdict.value, claim.citation) for claim in turn.claims],
        copied_words=sum(run.words for run in turn.copied),
        timings=dict(turn.timings), trace=turn.trace, anchors=anchors,
    )  # fmt: skip


def places_of(chunk_ids: Sequence[str]) -> dict[uuid.UUID, Place]:
    rows = Chunk.objects.filter(pk__in=set(map(uuid.UUID, chunk_ids))).select_related("document")
    return {
        row.pk: Place(row.document.key, (row.document.title, *row.heading_path), row.url)
        for row in rows
    }


def pages_of(corpus: Corpus) -> list[str]:
    return list(Document.objects.filter(corpus=corpus).values_list("key", flat=True))
