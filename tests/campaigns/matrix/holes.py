"""Holes to be planted: each of them must be found, or the matrix proves nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

Plant = Callable[[], Any]
HOLES: dict[str, Plant] = {}
PLACES: dict[str, str] = {}  # where each is: how addresses begin that lead to it


def hole(place: str) -> Callable[[Plant], Plant]:
    def known(plant: Plant) -> Plant:
        name = plant.__name__.replace("_", "-")
        HOLES[name], PLACES[name] = plant, place
        return plant

    return known


@contextmanager
def planted(name: str) -> Iterator[None]:
    with ExitStack() as stack:
        if name:
            stack.enter_context(HOLES[name]())
        yield


def of_everybody(model: Any) -> Any:
    """Stands in for a model in one view alone: its rows are everybody's."""
    objects = SimpleNamespace(
        of=lambda principal: model._default_manager.all(), filter=model._default_manager.filter,
        select_related=model._default_manager.select_related,
        prefetch_related=model._default_manager.prefetch_related,
    )  # fmt: skip
    return SimpleNamespace(objects=objects)


@hole("api/v1/conversations/<uuid:pk>/")
def conversations() -> Any:
    """One view forgets to ask whose."""
    from chat.models import Conversation
    from chat.views.conversations import ConversationDetail

    def everybodys(self: Any) -> Any:
        return Conversation.objects.select_related("corpus")

    return mock.patch.object(ConversationDetail, "get_queryset", everybodys)


@hole("api/v1/messages/")
def events() -> Any:
    """Who knows an answer's id may hear it, and stop it."""
    from django.shortcuts import get_object_or_404

    from chat.models import Message

    def anybodys(request: Any, message_id: Any) -> Any:
        return get_object_or_404(Message.objects.select_related("conversation"), pk=message_id)

    return mock.patch("chat.views.events.answer_of", anybodys)


@hole("api/v1/documents/")
def documents() -> Any:
    from documents.models import DocumentQuerySet

    return mock.patch.object(DocumentQuerySet, "readable", lambda self, scope: self.published())


@hole("api/v1/chunks/")
def chunks() -> Any:
    """One detail of the corpus condition is lost."""
    from documents.models import Chunk
    from documents.views import ChunkDetail

    everything = Chunk.objects.select_related("document__corpus", "document__source")
    return mock.patch.object(ChunkDetail, "get_queryset", lambda self: everything.all())


@hole("api/v1/conversations/<uuid:pk>/")
def forbidden_instead_of_missing() -> Any:
    from django.http import Http404
    from rest_framework.exceptions import PermissionDenied

    from chat.models import Conversation
    from chat.views.conversations import ConversationDetail

    get = ConversationDetail.get

    def told(self: Any, request: Any, **kwargs: Any) -> Any:
        try:
            return get(self, request, **kwargs)
        except Http404:
            if Conversation.objects.filter(pk=kwargs["pk"]).exists():
                raise PermissionDenied from None
            raise

    return mock.patch.object(ConversationDetail, "get", told)


@hole("api/v1/conversations/<uuid:pk>/")
def header() -> Any:
    """The body says nothing, a header does."""
    from chat.models import Conversation
    from chat.views.conversations import ConversationDetail

    finalize = ConversationDetail.finalize_response

    def talkative(self: Any, *args: Any, **kwargs: Any) -> Any:
        response = finalize(self, *args, **kwargs)
        if row := Conversation.objects.filter(pk=self.kwargs["pk"]).first():
            response["X-About"] = row.title
        return response

    return mock.patch.object(ConversationDetail, "finalize_response", talkative)


@hole("api/v1/conversations/<uuid:pk>/")
def blind_write() -> Any:
    """It answers 404 and does it all the same: only the rows can tell."""
    from chat.models import Conversation
    from chat.views.conversations import ConversationDetail

    delete = ConversationDetail.delete

    def writes(self: Any, request: Any, **kwargs: Any) -> Any:
        Conversation.objects.filter(pk=kwargs["pk"]).update(title="Gone")
        return delete(self, request, **kwargs)

    return mock.patch.object(ConversationDetail, "delete", writes)


@hole("api/v1/search/")
def search() -> Any:
    from documents.models import Corpus

    return mock.patch(
        "chat.views.search.corpus_of", lambda who, slug: Corpus.objects.filter(slug=slug).first()
    )


@hole("api/v1/conversations/<uuid:conversation_id>/messages/")
def messages() -> Any:
    from chat.models import Conversation
    from chat.views import messages

    return mock.patch.object(messages, "Conversation", of_everybody(Conversation))


@hole("api/v1/runs/")
def runs() -> Any:
    from ingestion.models import IngestionRun
    from ingestion.views import RunQuery

    everything = IngestionRun.objects.select_related("source")
    return mock.patch.object(RunQuery, "get_queryset", lambda self: everything.all())


@hole("admin/documents/source/")
def admin() -> Any:
    """Staff see what nobody has let them see."""
    return mock.patch("documents.admin.SourceAdmin.has_view_permission", lambda *a, **k: True)


@hole("ws/")
def resume() -> Any:
    """A socket that tells any answer."""
    from chat.consumers import ChatConsumer
    from chat.models import Message
    from chat.retelling import entries_of
    from documents.threads import in_database_thread

    @in_database_thread
    def everybodys(self: Any, answer: Any, after: int = 0) -> Any:
        answers = Message.objects.select_related("conversation").filter(role="assistant")
        found = answers.filter(pk=answer).first()
        return None if found is None else entries_of(found, after)

    return mock.patch.object(ChatConsumer, "_entries_of_mine", everybodys)


@hole("ws/")
def socket_conversation() -> Any:
    from chat import consumers
    from chat.models import Conversation

    return mock.patch.object(consumers, "Conversation", of_everybody(Conversation))


@hole("api/v1/")
def expired() -> Any:
    """Keys that ended are taken."""
    from chat.credentials import ApiKeyManager

    return mock.patch.object(ApiKeyManager, "get_usable_keys", lambda self: self.all())


@hole("api/v1/conversations/<uuid:pk>/")
def written_too_much() -> Any:
    """A field that nobody listed is written: the owner of a conversation."""
    from chat.models import Conversation
    from chat.views.conversations import ConversationDetail

    patch = ConversationDetail.patch

    def writes(self: Any, request: Any, **kwargs: Any) -> Any:
        if owner := request.data.get("owner"):
            Conversation.objects.filter(pk=kwargs["pk"]).update(owner=owner)
        return patch(self, request, **kwargs)

    return mock.patch.object(ConversationDetail, "patch", writes)


@hole("api/v1/conversations/<uuid:conversation_id>/export/")
def export() -> Any:
    from chat.models import Conversation
    from chat.views import exports

    return mock.patch.object(exports, "Conversation", of_everybody(Conversation))


@hole("v1/")
def openai_models() -> Any:
    """A corpus can be asked by its name alone, over one of the interfaces."""
    from documents.models import Corpus

    return mock.patch("chat.calls.corpus_of", lambda who, slug: Corpus.objects.get(slug=slug))


@hole("mcp")
def assistants_documents() -> Any:
    from documents.models import Document

    everything = Document.objects.published
    return mock.patch("chat.mcp.documents.Document", SimpleNamespace(
        objects=SimpleNamespace(readable=lambda scope: everything())))  # fmt: skip
