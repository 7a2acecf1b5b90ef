"""Better Auth: from a JWT of its server to an account here.

The token is verified as if that server were careless: keys, algorithms, issuer and audience are
those of the settings, never those that the token names. Nothing that it says about the person gives
a right, for what an account may do stands in our database; `banned` is heard, and takes them all.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from chat.auth.jwks import KINDS, key_ring
from chat.models import Account

LONGEST = 8192  # characters
LEEWAY = 30  # seconds that two clocks may differ
LONGEST_LIFE = 24 * 3600  # seconds: whoever signs out there stays in here until the token expires
SHAPE = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
HEADERS = {"alg", "kid", "typ"}  # nothing that names another key, or another reading of the rest
REQUIRED = ["exp", "iat", "iss", "aud", "sub"]


class BadToken(Exception):
    """Not one of ours, or not any more."""


@dataclass(frozen=True)
class Claims:
    issuer: str
    subject: str
    expires_at: datetime
    email: str


def is_configured() -> bool:
    return bool(settings.BETTER_AUTH_URL)


def looks_like_one(credential: str) -> bool:
    return credential.count(".") == 2


def issuer() -> str:
    return settings.BETTER_AUTH_ISSUER or _origin()


def audience() -> str:
    return settings.BETTER_AUTH_AUDIENCE or _origin()


def _origin() -> str:
    """What Better Auth takes for both, when it is not told otherwise."""
    parts = urlsplit(settings.BETTER_AUTH_URL)
    return f"{parts.scheme}://{parts.netloc}"


def verified(token: str) -> Claims:
    """Raises BadToken, or KeysUnavailable if nobody can tell."""
    import jwt

    if len(token) > LONGEST or not SHAPE.fullmatch(token):
        raise BadToken("The token is no JWT.")
    header, payload = (_read(part) for part in token.split(".")[:2])
    algorithm, kid = str(header.get("alg")), header.get("kid")
    if algorithm not in set(settings.BETTER_AUTH_ALGORITHMS) & KINDS.keys():
        raise BadToken("The token is not signed in a way that is accepted here.")
    if not header.keys() <= HEADERS or not isinstance(kid, str):
        raise BadToken("The token's header says what is not accepted here, or too little.")
    if str(header.get("typ", "JWT")).upper() not in ("JWT", "AT+JWT"):
        raise BadToken("The token is of another type.")
    key = key_ring().key(kid, algorithm)
    if key is None:
        raise BadToken("The token is signed with a key that its server does not have.")
    try:
        jwt.decode(
            token, key, algorithms=[algorithm], issuer=issuer(), audience=audience(),
            leeway=LEEWAY, options={"require": REQUIRED},
        )  # fmt: skip
    except jwt.ExpiredSignatureError as error:
        raise BadToken("The token has expired.") from error
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise BadToken("The token is not valid here.") from error
    return _claims(payload)


def _read(part: str) -> dict[str, Any]:
    """Each name once: who reads the first and who reads the last would see different tokens."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) != len(pairs):
            raise ValueError("A name stands there twice")
        return found

    try:
        read = json.loads(
            base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), object_pairs_hook=once
        )
    except (ValueError, RecursionError) as error:
        raise BadToken("The token cannot be read.") from error
    if not isinstance(read, dict):
        raise BadToken("The token cannot be read.")
    return read


def _claims(payload: Mapping[str, Any]) -> Claims:
    subject, expires, issued = payload["sub"], payload["exp"], payload["iat"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or not subject.isprintable():
        raise BadToken("The token names nobody.")
    if any(type(moment) not in (int, float) for moment in (expires, issued)):
        raise BadToken("The token's times are no numbers.")
    if expires - issued > LONGEST_LIFE:
        raise BadToken(
            "The token is valid for more than a day; its server should sign shorter ones."
        )
    if payload.get("banned") is True:
        raise BadToken("The account is banned.")
    email = payload.get("email")
    shown = email if isinstance(email, str) and email.isprintable() else ""
    return Claims(issuer(), subject, datetime.fromtimestamp(expires, UTC), shown[:254])


def account_of(claims: Claims) -> Account:
    """Made when it is first seen; by as many at once as there are, once."""
    named = {"issuer": claims.issuer, "subject": claims.subject}
    accounts = Account.objects.select_related("user")
    account = accounts.filter(**named).first()
    if account is None:
        try:
            with transaction.atomic():
                user = get_user_model().objects.create_user(f"account-{uuid4().hex}")
                return Account.objects.create(user=user, email=claims.email, **named)
        except IntegrityError:
            return accounts.get(**named)
    if claims.email and account.email != claims.email:
        accounts.filter(pk=account.pk).update(email=claims.email)
    return account
