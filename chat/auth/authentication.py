"""From a request's headers to a Principal: API key, session, or anonymous visitor."""

from collections.abc import Mapping
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from chat.auth import visitors
from chat.auth.addresses import client_address
from chat.auth.principal import Principal
from chat.models import ApiKey
from documents.models import Corpus

SCHEME = "api-key"


class InvalidCredential(AuthenticationFailed):
    """A credential was shown and is not good: never treated as if none had been shown."""


def principal_for(*, headers: Mapping[str, str], user: Any, address: str) -> Principal:
    """Decide who is asking. `headers` by lower-case name; raises InvalidCredential.

    A key outranks a session, so that a page's own cookie never widens what its key may do.
    """
    if authorization := headers.get("authorization", ""):
        return _by_key(authorization)
    if user is not None and user.is_authenticated and user.is_active:
        return Principal("user", str(user.pk), corpora_of_user(user))
    token = headers.get(visitors.HEADER.lower(), "")
    visitor = visitors.visitor_id(token) if token else ""
    if visitor is None:
        raise InvalidCredential("The visitor token is not valid or has expired; ask without it.")
    public = Corpus.objects.filter(is_public=True).values_list("pk", flat=True)
    return Principal("visitor", visitor, frozenset(public), address)


def _by_key(authorization: str) -> Principal:
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != SCHEME:
        raise InvalidCredential('Expected "Authorization: Api-Key <key>".')
    key: ApiKey | None
    try:
        key = cast(ApiKey, ApiKey.objects.get_from_key(secret.strip()))
    except ApiKey.DoesNotExist:
        key = None
    if key is None or key.has_expired:
        raise InvalidCredential("The API key is not valid, was revoked or has expired.")
    # Its prefix names it; the primary key of this library holds the hash of the secret.
    corpora = frozenset(key.corpora.values_list("pk", flat=True))
    return Principal("key", key.prefix, corpora, may_ingest=key.may_ingest)


def corpora_of_user(user: Any) -> frozenset[int]:
    """Staff who may view corpora read all of them; everyone else reads the public ones."""
    corpora = Corpus.objects.all()
    if not user.has_perm("documents.view_corpus"):
        corpora = corpora.filter(is_public=True)
    return frozenset(corpora.values_list("pk", flat=True))


class PrincipalAuthentication(BaseAuthentication):
    """DRF's door: `request.auth` is always a Principal, anonymous visitors included."""

    def authenticate(self, request: Request) -> tuple[Any, Principal]:
        user = getattr(request._request, "user", None)
        principal = principal_for(
            headers={name.lower(): value for name, value in request.headers.items()},
            user=user,
            address=client_address(request.META),
        )
        if principal.kind == "user":
            SessionAuthentication().enforce_csrf(request)
            return user, principal
        return AnonymousUser(), principal

    def authenticate_header(self, request: Request) -> str:
        return "Api-Key"
