"""The public keys of the Better Auth server: fetched from one address, kept, asked for again.

They are fresh for five minutes; then somebody fetches them while the others go on with those they
have, for a day if need be. A token that names an unknown key, which anybody can make up, has them
fetched at most twice a minute, by all processes together. What is kept in the cache is signed: who
can write into Redis must not be able to sign people in.
"""

import json
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache as built_once
from hashlib import sha256
from time import monotonic, time
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.cache import cache

from documents.outages import Outage

FRESH, STALE = 300.0, 24 * 3600.0  # seconds
AGAIN = 30  # seconds between two attempts of whoever has keys
PAUSE = 5.0  # seconds after which a process without any tries again
MAX_BYTES, MAX_KEYS = 100_000, 50
SALT = "chat.jwks"
# What a key must be for each algorithm. None of them can be verified with a secret that we share.
KINDS: Mapping[str, tuple[str, str | None]] = {
    "EdDSA": ("OKP", "Ed25519"),
    "ES256": ("EC", "P-256"),
    "ES512": ("EC", "P-521"),
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
}
RSA_BITS = 2048

outage = Outage("Better Auth", "Its last keys are used for a day, if there are any.")


class KeysUnavailable(Exception):
    """None are known, and their server does not say them."""


@dataclass(frozen=True)
class Keys:
    """As they were at a moment, by id and algorithm."""

    fetched_at: float
    said: list[dict[str, Any]]
    usable: Mapping[tuple[str, str], Any]

    @classmethod
    def of(cls, said: Any, fetched_at: float, algorithms: Collection[str]) -> "Keys":
        usable: dict[tuple[str, str], Any] = {}
        kept = []
        for key in said[:MAX_KEYS]:
            for algorithm in algorithms:
                if (made := _made(key, algorithm)) is not None:
                    usable.setdefault((key["kid"], algorithm), made)
                    kept.append(key)
        return cls(fetched_at, kept, usable)

    @property
    def age(self) -> float:
        return abs(time() - self.fetched_at)


def _made(key: Any, algorithm: str) -> Any:
    """The key itself, if it is one for this algorithm; None for whatever else stands there."""
    from jwt import PyJWK, PyJWTError

    kind, curve = KINDS[algorithm]
    if not isinstance(key, dict) or not isinstance(key.get("kid"), str) or "d" in key:
        return None
    if (key.get("kty"), key.get("crv")) != (kind, curve):
        return None
    if key.get("alg", algorithm) != algorithm or key.get("use", "sig") != "sig":
        return None
    try:
        made = PyJWK(key, algorithm).key
    except (PyJWTError, ValueError, TypeError):
        return None
    return made if getattr(made, "key_size", RSA_BITS) >= RSA_BITS or kind != "RSA" else None


class KeyRing:
    """Of one address, in this process."""

    def __init__(self, url: str, algorithms: tuple[str, ...]) -> None:
        self.url, self.algorithms = url, algorithms
        self._name = sha256(url.encode()).hexdigest()[:16]
        self._keys: Keys | None = None
        self._fetching = threading.Lock()
        self._not_before = 0.0  # by the monotonic clock

    def key(self, kid: str, algorithm: str) -> Any:
        """None if there is no such key; raises KeysUnavailable if none are known at all."""
        keys = self._known()
        if keys is None or keys.age > FRESH:
            keys = self._again(keys)
        if (found := keys.usable.get((kid, algorithm))) is None:
            found = self._again(keys).usable.get((kid, algorithm))
        return found

    def _known(self) -> Keys | None:
        """The latest that this process or another one has fetched."""
        if self._keys is None or self._keys.age > FRESH:
            self._take(cache.get(f"jwks:{self._name}"))
        if self._keys is not None and self._keys.age > STALE:
            self._keys = None
        return self._keys

    def _take(self, kept: Any) -> None:
        try:
            fetched_at, said = signing.loads(kept, salt=SALT) if isinstance(kept, str) else (0, [])
        except signing.BadSignature:
            return
        if self._keys is None or fetched_at > self._keys.fetched_at:
            keys = Keys.of(said, fetched_at, self.algorithms)
            self._keys = keys if keys.usable else self._keys

    def _again(self, keys: Keys | None) -> Keys:
        """Fetched anew, if it is anybody's time for that; else those that there are."""
        if keys is not None and not cache.add(f"jwks-asked:{self._name}", 1, AGAIN):
            self._take(cache.get(f"jwks:{self._name}"))  # what another process may have found
            return self._keys or keys
        with self._fetching:
            if keys is None and self._keys is not None:
                return self._keys  # somebody was faster
            if keys is None and monotonic() < self._not_before:
                raise KeysUnavailable
            try:
                self._fetch()
            except (OSError, ValueError, RecursionError) as error:
                outage.began(error)
                self._not_before = monotonic() + PAUSE
            else:
                outage.over()
            if self._keys is None:
                raise KeysUnavailable
            return self._keys

    def _fetch(self) -> None:
        keys = Keys.of(_download(self.url), time(), self.algorithms)
        if not keys.usable:  # after a long sleep Better Auth has none, until it signs something
            raise ValueError("There is no usable key at its address")
        self._keys = keys
        kept = signing.dumps([keys.fetched_at, keys.said], salt=SALT)
        cache.set(f"jwks:{self._name}", kept, STALE)


def _download(url: str) -> list[Any]:
    """Raises OSError or ValueError for whatever is no list of keys."""
    import httpx

    from documents.upstream.http import sync_client

    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    body = b""
    try:
        with (
            sync_client(connect=2, read=3, total=5) as client,
            client.stream("GET", url, headers=headers) as response,
        ):
            if response.status_code != 200:  # redirects too: keys come from where they were said to
                raise OSError(f"its keys' address answers with {response.status_code}")
            for part in response.iter_raw():
                body += part
                if len(body) > MAX_BYTES:
                    raise ValueError("its keys do not end")
    except httpx.HTTPError as error:
        raise OSError(type(error).__name__) from error
    said = json.loads(body)
    if not isinstance(said, dict) or not isinstance(said.get("keys"), list):
        raise ValueError("what it sends is no list of keys")
    return list(said["keys"])


@built_once
def _ring(url: str, algorithms: tuple[str, ...]) -> KeyRing:
    return KeyRing(url, algorithms)


def key_ring() -> KeyRing:
    base = settings.BETTER_AUTH_URL.rstrip("/")
    url = settings.BETTER_AUTH_JWKS_URL or f"{base}/api/auth/jwks"
    return _ring(url, tuple(name for name in settings.BETTER_AUTH_ALGORITHMS if name in KINDS))
