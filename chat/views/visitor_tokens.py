"""Visitor tokens: what the readers of a widget ask with."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.auth import visitors
from chat.serializers import ProblemSerializer
from chat.views.requests import count, principal_of
from documents.closed import Closed, Slug, Strict, Text
from documents.models import Corpus
from documents.powers import Power
from documents.problems import Problem


class NewVisitorTokenSerializer(Closed):
    token = Text(
        required=False, max_length=visitors.LONGEST,
        help_text="The last one, to stay the same visitor; also one that expired a day ago.",
    )  # fmt: skip
    corpora = serializers.ListField(
        child=Slug(), required=False, min_length=1, max_length=50,
        help_text="Fewer than the key has: what this page is about.",
    )  # fmt: skip


class VisitorTokenSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text=f"Goes into the header {visitors.HEADER}.")
    expires_at = serializers.DateTimeField()
    corpora = serializers.ListField(child=serializers.SlugField())
    renewed = serializers.BooleanField(help_text="Whether it is the visitor of the old token.")


class VisitorTokens(Strict, APIView):
    """For a publishable key, on one of its pages."""

    needs = Power.MINT

    @extend_schema(
        request=NewVisitorTokenSerializer,
        responses={201: VisitorTokenSerializer, 403: ProblemSerializer, 429: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """A token for one reader of this page. It lasts minutes; renew it before it expires."""
        principal = principal_of(request)
        origin = request.headers.get("origin", "")
        if origin not in principal.origins:
            raise Problem(
                403, "origin_not_allowed", "The key makes no tokens for pages of this origin."
            )
        body = NewVisitorTokenSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        count(principal, "visitor tokens")
        slugs = dict(Corpus.objects.filter(pk__in=principal.corpora).values_list("slug", "pk"))
        wanted = body.validated_data.get("corpora", slugs)
        if unknown := next((slug for slug in wanted if slug not in slugs), None):
            raise Problem(
                404, "unknown_corpus", f'There is no corpus "{unknown}" that you may read.'
            )
        visitor = visitors.who_it_was(
            body.validated_data.get("token", ""), key=principal.key, origin=origin
        )
        token = visitors.mint(
            key=principal.key, corpora=frozenset(slugs[slug] for slug in wanted), origin=origin,
            visitor=visitor,
        )  # fmt: skip
        return Response(
            {
                "token": token.token,
                "expires_at": token.expires_at,
                "corpora": sorted(set(wanted)),
                "renewed": bool(visitor),
            },
            status=status.HTTP_201_CREATED,
        )
