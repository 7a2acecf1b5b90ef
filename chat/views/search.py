"""Retrieval alone."""

from math import ceil
from typing import Any

from asgiref.sync import async_to_sync
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.access import corpus_of, scope_of
from chat.context import Surroundings, gather
from chat.retrieval import Found, Retriever
from chat.serializers import (
    ProblemSerializer,
    SearchResultSerializer,
    SearchSerializer,
)
from chat.turns import passage_json
from chat.views.answers import give_back_the_database
from chat.views.requests import count, principal_of
from documents.closed import Strict
from documents.index.base import IndexUnavailable
from documents.models import Corpus
from documents.powers import Power
from documents.problems import Problem


class SearchView(Strict, APIView):
    """Retrieval alone: what an answer would be written from."""

    needs = Power.SEARCH

    @extend_schema(
        request=SearchSerializer,
        responses={200: SearchResultSerializer, 404: ProblemSerializer, 429: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Search. The passages that an answer would be written from, best first."""
        body = SearchSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        corpus = corpus_of(principal_of(request), asked["corpus"])
        # Loading what is found takes a connection of its own: ten searches that each held on to
        # this one meanwhile would wait for each other.
        give_back_the_database()
        try:
            count(principal_of(request), "questions")
            found = async_to_sync(search)(asked, corpus)
        except IndexUnavailable as error:
            raise Problem(
                503,
                "search_unavailable",
                "Search is unavailable; try again.",
                retry_after=max(5, ceil(error.retry_after or 0)),
            ) from None
        return Response(found_json(found))


def found_json(found: Found) -> dict[str, Any]:
    passages = [
        {
            **passage_json(passage),
            "text": passage.text,
            "line_start": passage.line_start,
            "line_end": passage.line_end,
        }
        for passage in found.passages
    ]
    return {
        "query": found.query,
        "degraded": found.degraded,
        "passages": passages,
        "timings": found.timings,
    }


async def search(asked: dict[str, Any], corpus: Corpus) -> Found:
    retriever, scope = Retriever.from_settings(), scope_of(corpus, asked.get("filters"))
    around = await gather(Surroundings.of(asked), scope, retriever.index, corpus.language)
    return await retriever.search(
        asked["query"], scope, language=corpus.language, top_k=asked.get("top_k"), context=around
    )
