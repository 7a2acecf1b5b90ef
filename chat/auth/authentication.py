"""From a request's headers to a Principal: API key, session, visitor token, or nobody's visitor."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from chat.auth import sessions, visitors
from chat.auth.addresses import client_address
from chat.auth.principal import Principal
from chat.models import ApiKey
from documents.models import Corpus
from documents.permissions import of_account

CREDENTIALS = ("authorization", visitors.HEADER.lower(), "cookie")  # headers that hold one
KEY = re.compile(r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{20,100}")
EXPECTED = 'Expected "Authorization: Api-Key <key>".'


class InvalidCredential(AuthenticationFailed):
    """A credential was shown and is not good: never treated as if none had been shown."""


class ForeignOrigin(InvalidCredential):
    """It is good, but not on this page."""

    status_code = 403
    default_code = "origin_not_allowed"
    default_detail = "This credential is not for pages of this origin."


def headers_of(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI's headers by lower-case name. One that comes twice is both, and so is no credential."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin1").lower(), raw_value.decode("latin1")
        between = "; " if name == "cookie" else ","
        headers[name] = f"{headers[name]}{between}{value}" if name in headers else value
    return headers


def principal_for(*, headers: Mapping[str, str], user: Any, address: str) -> Principal:
    """Decide who is asking. `headers` by lower-case name; raises InvalidCredential.

    A key outranks a session, so that a page's own cookie never widens what its key may do; a
    session outranks a visitor token.
    """
    return identify(headers=headers, user=user, address=address)[1]


def identify(*, headers: Mapping[str, str], user: Any, address: str) -> tuple[Any, Principal]:
    """The Principal, with the account that it is of, if any."""
    token = headers.get(visitors.HEADER.lower(), "")
    if authorization := headers.get("authorization", ""):
        if token:
            raise InvalidCredential("Show one credential: a key or a visitor token, not both.")
        return AnonymousUser(), _by_key(authorization, headers, address)
    if user is not None and user.is_authenticated and user.is_active:
        return user, _by_session(user, headers)
    visitor = visitors.visitor_id(token) if token else ""
    if visitor is None:
        raise InvalidCredential("The visitor token is not valid or has expired; ask without it.")
    public = Corpus.objects.filter(is_public=True).values_list("pk", flat=True)
    return AnonymousUser(), Principal("visitor", visitor, frozenset(public), address)


def _by_key(authorization: str, headers: Mapping[str, str], address: str) -> Principal:
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() not in ("api-key", "bearer"):
        raise InvalidCredential(EXPECTED)
    key = _key(secret.strip())
    if key is None:
        raise InvalidCredential("The API key is not valid, was revoked or has expired.")
    origins = key.allowed_origins
    if (origin := headers.get("origin")) and origins and origin not in origins:
        raise ForeignOrigin
    # Its prefix names it; the primary key of this library holds the hash of the secret.
    return Principal(
        "key",
        key.prefix,
        frozenset(key.corpora.values_list("pk", flat=True)),
        address,
        scopes=key.powers,
        expires_at=key.expiry_date,
        origins=origins,
        key=key.prefix,
        plan_name=key.plan,
        questions_a_day=key.questions_a_day,
    )


def _key(secret: str) -> ApiKey | None:
    if not KEY.fullmatch(secret):
        return None
    try:
        return cast(ApiKey, ApiKey.objects.get_from_key(secret))
    except ApiKey.DoesNotExist:
        return None


def _by_session(user: Any, headers: Mapping[str, str]) -> Principal:
    return Principal(
        "user",
        str(user.pk),
        corpora_of_user(user),
        scopes=of_account(user),
        session=sessions.key_in(headers.get("cookie", "")),
        session_hash=user.get_session_auth_hash(),
    )


def corpora_of_user(user: Any) -> frozenset[int]:
    """Staff who may view corpora read all of them; everyone else reads the public ones."""
    corpora = Corpus.objects.all()
    if not user.has_perm("documents.view_corpus"):
        corpora = corpora.filter(is_public=True)
    return frozenset(corpora.values_list("pk", flat=True))


class PrincipalAuthentication(BaseAuthentication):
    """DRF's door: `request.auth` is always a Principal, anonymous visitors included."""

    def authenticate(self, request: Request) -> tuple[Any, Principal]:
        user, principal = identify(
            headers={name.lower(): value for name, value in request.headers.items()},
            user=getattr(request._request, "user", None),
            address=client_address(request.META),
        )
        if principal.session_hash:  # a browser sends its cookie for whoever asks it to
            SessionAuthentication().enforce_csrf(request)
        return user, principal

    def authenticate_header(self, request: Request) -> str:
        return "Api-Key"
