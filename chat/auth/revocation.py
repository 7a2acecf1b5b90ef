"""Whether principals are still what they were: for connections that outlive their credentials.

`revision()` is a name that changes whenever something was changed that could matter: whoever
holds connections asks for it now and then, and only when it has changed whether its principals are
`still_good`, which asks the database. With Redis it is there, so that all processes see the same
one; without, all of them are on one machine, and it is in a file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import transaction
from django.utils.crypto import constant_time_compare

from chat.auth import sessions
from chat.auth.authentication import corpora_of_user, public_corpora
from chat.auth.principal import Principal
from chat.models import ApiKey
from documents.permissions import of_account
from documents.powers import READING, Power

REVISION = "auth-revision"


def revision() -> str:
    """A Redis that was emptied has another revision, too."""
    if not settings.REDIS_URL:
        return _in_file()
    found = cache.get(REVISION)
    if found is None:
        cache.add(REVISION, uuid4().hex, None)
        found = cache.get(REVISION)
    return str(found)


def bump() -> None:
    """Once the change can be seen."""
    transaction.on_commit(_change)


def _change() -> None:
    if settings.REDIS_URL:
        cache.set(REVISION, uuid4().hex, None)
    else:
        settings.AUTH_REVISION.write_text(uuid4().hex)


def _in_file() -> str:
    """Who reads it while it is written sees one more change than there was."""
    try:
        return str(settings.AUTH_REVISION.read_text())
    except FileNotFoundError:
        return ""


def still_good(principal: Principal) -> bool:
    return principal in good_ones([principal])


def good_ones(principals: Iterable[Principal]) -> set[Principal]:
    """Those whose credential still allows all that it did. Asks the database a few times at most,
    for any number of them, and once more for each of the staff."""
    now = datetime.now(UTC)
    alive = {p for p in principals if p.expires_at is None or p.expires_at > now}
    public = public_corpora() if alive else frozenset()
    keys = _keys({p.key for p in alive if p.key})
    accounts = {p for p in alive if p.kind == "user"}
    ids = {int(principal.id) for principal in accounts if principal.id.isdecimal()}
    users = get_user_model().objects.in_bulk(ids) if ids else {}
    known = _sessions({p.session for p in accounts if p.session})

    def is_good(principal: Principal) -> bool:
        if principal.key:
            allowed = keys.get(principal.key, {}).get(principal.kind)
            return allowed is not None and allowed.covers(principal)
        if principal.kind == "visitor":
            return principal.corpora <= public
        user = users.get(int(principal.id)) if principal.id.isdecimal() else None
        return user is not None and _is_still(user, principal, known, public)

    return {principal for principal in alive if is_good(principal)}


@dataclass(frozen=True)
class _Allowed:
    corpora: frozenset[int]
    scopes: frozenset[Power]
    origins: frozenset[str]  # of a server's key, none: any

    def covers(self, principal: Principal) -> bool:
        """Which of its pages a principal is on is not known: all of them must be left."""
        anywhere = principal.kind == "key" and not self.origins
        pages = bool(principal.origins) and principal.origins <= self.origins
        mine = principal.corpora <= self.corpora and principal.scopes <= self.scopes
        return mine and (anywhere or pages)


def _keys(prefixes: set[str]) -> dict[str, dict[str, _Allowed]]:
    """What the keys themselves, and their visitors, may do today."""
    if not prefixes:
        return {}
    found = ApiKey.objects.get_usable_keys().filter(prefix__in=prefixes)
    return {
        key.prefix: {
            "key": _Allowed(corpora, key.powers, key.allowed_origins),
            "visitor": _Allowed(corpora, key.powers_of_visitors, key.allowed_origins),
        }
        for key in found.prefetch_related("corpora")
        for corpora in [frozenset(corpus.pk for corpus in key.corpora.all())]
    }


def _is_still(user: Any, principal: Principal, known: set[str], public: frozenset[int]) -> bool:
    if not user.is_active:
        return False
    if principal.session_hash and not constant_time_compare(
        principal.session_hash, user.get_session_auth_hash()
    ):
        return False  # another password
    if principal.session and principal.session not in known:
        return False  # signed out
    if not (principal.scopes <= READING or principal.scopes <= of_account(user)):
        return False
    return principal.corpora <= public or principal.corpora <= corpora_of_user(user)


def _sessions(keys: set[str]) -> set[str]:
    """Those that still exist."""
    if not keys:
        return set()
    store = sessions.store("")
    if hasattr(store, "model"):  # in the database: one question for all
        now = datetime.now(UTC)
        there = store.model.objects.filter(session_key__in=keys, expire_date__gt=now)
        return set(there.values_list("session_key", flat=True))
    return {key for key in keys if store.exists(key)}
