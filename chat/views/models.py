"""`/v1/models`: each corpus that the caller may read, as a model to choose."""

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from chat.access import corpus_of
from chat.auth.principal import Principal
from chat.calls import caller_of
from chat.completions.asked import split_model
from chat.completions.chunks import model_object
from chat.views.completions import in_their_form
from documents.models import Corpus
from documents.permissions import demand
from documents.powers import Power
from documents.threads import in_database_thread


@in_their_form("GET", needs=Power.CHAT)
async def model_list(request: HttpRequest) -> HttpResponseBase:
    return JsonResponse({"object": "list", "data": await models_of(request)})


@in_their_form("GET", needs=Power.CHAT)
async def model_detail(request: HttpRequest, name: str) -> HttpResponseBase:
    return JsonResponse(await model_of(request, name))


@in_database_thread
def models_of(request: HttpRequest) -> list[dict[str, object]]:
    readable = Corpus.objects.filter(pk__in=reader(request).corpora).order_by("slug")
    return [as_model(corpus) for corpus in readable]


@in_database_thread
def model_of(request: HttpRequest, name: str) -> dict[str, object]:
    slug, _footnotes = split_model(name)
    return {**as_model(corpus_of(reader(request), slug)), "id": name}


def reader(request: HttpRequest) -> Principal:
    principal = caller_of(request)
    demand(principal, Power.CHAT)
    return principal


def as_model(corpus: Corpus) -> dict[str, object]:
    return model_object(corpus.slug, int(corpus.created_at.timestamp()), corpus.name)
