"""From a request's headers to a Principal: API key, token, session, or visitor."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from chat.auth import better_auth, sessions, visitors
from chat.auth.addresses import client_address
from chat.auth.jwks import PAUSE, KeysUnavailable
from chat.auth.last_used import used
from chat.auth.principal import Principal
from chat.models import ApiKey
from documents import request_id
from documents.models import Corpus
from documents.permissions import of_account
from documents.problems import Problem

CREDENTIALS = ("authorization", visitors.HEADER.lower(), "cookie")  # headers that hold one
KEY = re.compile(r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{20,100}")
EXPECTED = 'Expected "Authorization: Api-Key <key>" or "Authorization: Bearer <token>".'


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
    session outranks a visitor token. For connections, which must know when a session ends by
    itself: nothing is changed then, so nobody would look.
    """
    principal = identify(headers=headers, user=user, address=address)[1]
    if principal.session:
        principal = replace(principal, expires_at=sessions.end_of(principal.session))
    request_id.is_sent_by(f"{principal.kind}:{principal.id}")
    return principal


def identify(*, headers: Mapping[str, str], user: Any, address: str) -> tuple[Any, Principal]:
    """The Principal, with the account that it is of, if any."""
    token = headers.get(visitors.HEADER.lower(), "")
    if authorization := headers.get("authorization", ""):
        if token:
            raise InvalidCredential("Show one credential: a key or a visitor token, not both.")
        scheme, _, credential = authorization.partition(" ")
        credential = credential.strip()
        if scheme.lower() not in ("api-key", "bearer"):
            raise InvalidCredential(EXPECTED)
        if scheme.lower() == "bearer" and better_auth.looks_like_one(credential):
            return _by_token(credential)
        return AnonymousUser(), _by_key(credential, headers, address)
    if user is not None and user.is_authenticated and user.is_active:
        return user, _by_session(user, headers)
    if isinstance(user, sessions.SignedOut):
        raise InvalidCredential("This account is suspended or gone; sign out to ask as a visitor.")
    return AnonymousUser(), _visitor(token, headers, address)


def _visitor(token: str, headers: Mapping[str, str], address: str) -> Principal:
    if token and (said := visitors.minted(token)):
        return _by_minted(said, headers, address)
    visitor = visitors.visitor_id(token) if token else ""
    if visitor is None:
        raise InvalidCredential("The visitor token is not valid or has expired; ask without it.")
    return Principal("visitor", visitor, public_corpora(), address)


def _by_minted(said: visitors.Minted, headers: Mapping[str, str], address: str) -> Principal:
    """Its key is looked up: whoever revokes that has revoked this, too."""
    key = ApiKey.objects.get_usable_keys().filter(prefix=said.key).first()
    if said.is_over() or key is None or not key.powers_of_visitors:
        raise InvalidCredential("The visitor token has expired; make another one.")
    origin = headers.get("origin") or (
        # A browser leaves it out when a page reads from its own server, and says that instead.
        said.origin if headers.get("sec-fetch-site") == "same-origin" else ""
    )
    if origin != said.origin or origin not in key.allowed_origins:
        raise ForeignOrigin
    used(key)
    return Principal(
        "visitor",
        said.visitor,
        said.corpora & frozenset(key.corpora.values_list("pk", flat=True)),
        address,
        scopes=key.powers_of_visitors,
        expires_at=min(filter(None, (said.expires_at, key.expiry_date))),
        origins=frozenset({said.origin}),
        key=key.prefix,
        plan_name=key.plan,
        questions_a_day=key.questions_a_day,
    )


def _by_key(secret: str, headers: Mapping[str, str], address: str) -> Principal:
    key = _key(secret)
    if key is None:
        raise InvalidCredential("The API key is not valid, was revoked or has expired.")
    origins = key.allowed_origins
    if (origin := headers.get("origin")) and origins and origin not in origins:
        raise ForeignOrigin
    used(key)
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


def _by_token(token: str) -> tuple[Any, Principal]:
    """Of Better Auth. What it lets somebody do is what our database says of the account."""
    if not better_auth.is_configured():
        raise InvalidCredential("No tokens of a sign-in server are accepted here; use an API key.")
    try:
        claims = better_auth.verified(token)
    except better_auth.BadToken as error:
        raise InvalidCredential(str(error)) from None
    except KeysUnavailable:
        raise Problem(
            503, "sign_in_unavailable", "The keys of the sign-in server cannot be had; try again.",
            retry_after=PAUSE,
        ) from None  # fmt: skip
    user = better_auth.account_of(claims).user
    if not user.is_active:
        raise InvalidCredential("This account is suspended.")
    return user, Principal(
        "user",
        str(user.pk),
        corpora_of_user(user),
        scopes=of_account(user),
        expires_at=claims.expires_at,
    )


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
    if not user.has_perm("documents.view_corpus"):
        return public_corpora()
    return frozenset(Corpus.objects.values_list("pk", flat=True))


def public_corpora() -> frozenset[int]:
    return frozenset(Corpus.objects.filter(is_public=True).values_list("pk", flat=True))


def _signed_in(request: Any) -> Any:
    user = getattr(request, "user", None)
    if user is None or user.is_authenticated or not sessions.names_somebody(request.session):
        return user
    return sessions.SignedOut()


class PrincipalAuthentication(BaseAuthentication):
    """DRF's door: `request.auth` is always a Principal, anonymous visitors included."""

    def authenticate(self, request: Request) -> tuple[Any, Principal]:
        user, principal = identify(
            headers={name.lower(): value for name, value in request.headers.items()},
            user=_signed_in(request._request),
            address=client_address(request.META),
        )
        request_id.is_sent_by(f"{principal.kind}:{principal.id}")
        if principal.session_hash:  # a browser sends its cookie for whoever asks it to
            SessionAuthentication().enforce_csrf(request)
        return user, principal

    def authenticate_header(self, request: Request) -> str:
        """RFC 6750: a client that showed a token is told that it needs another one."""
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        return 'Bearer error="invalid_token"' if scheme == "bearer" else "Api-Key"
