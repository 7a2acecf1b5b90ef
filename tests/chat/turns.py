"""Turns for tests: asked, and listened to until their end."""

from chat.auth.principal import Principal
from chat.events import Event
from chat.models import Conversation
from chat.pipeline import AnswerPipeline
from chat.turns import Turn
from documents.models import Corpus
from documents.threads import in_database_thread


@in_database_thread
def new_turn(corpus: Corpus, question: str, conversation: Conversation | None = None) -> Turn:
    principal = Principal("user", "7", frozenset([corpus.pk]))
    if conversation is None:
        conversation = Conversation.objects.create(corpus=corpus, owner=principal.owner)
    return Turn(conversation, principal, question, principal.scope)


async def events_of(turn: Turn, pipeline: AnswerPipeline | None = None) -> list[Event]:
    pipeline = pipeline or AnswerPipeline.from_settings()
    return [event async for event in pipeline.answer(turn)]
