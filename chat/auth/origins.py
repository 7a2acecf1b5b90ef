"""Which pages may speak to us from a browser: our own, those of API keys, those of the settings."""

from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.db import DatabaseError
from django.http.request import validate_host

from chat.auth.revocation import revision
from chat.models import ApiKey
from chat.origins import origin_of

KEPT = 60.0  # seconds; a change in the admin is seen at once


@dataclass(frozen=True)
class _Known:
    origins: frozenset[str]
    revision: str
    until: float


_known = _Known(frozenset(), "", 0.0)


def of_keys() -> frozenset[str]:
    """Of keys that can be used. Asks the database once a minute, and after a change."""
    global _known
    now = revision()
    if now != _known.revision or monotonic() > _known.until:
        try:
            keys = [*ApiKey.objects.get_usable_keys().exclude(origins="")]
        except DatabaseError:
            return _known.origins  # whoever needs more of the database will say that it is away
        origins = frozenset(origin for key in keys for origin in key.allowed_origins)
        _known = _Known(origins, now, monotonic() + KEPT)
    return _known.origins


def may_read(origin: str) -> bool:
    """Whether scripts of this origin may see what the API answers; they send no cookies."""
    return origin in settings.CORS_ALLOWED_ORIGINS or origin in of_keys()


def allowed(origin: str) -> bool:
    """Whether a page of this origin may open a websocket. May ask the database."""
    if origin_of(origin) is None:
        return False
    host = urlsplit(origin).hostname or ""
    ours = validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS)
    return ours or may_read(origin)


class Cors(CorsMiddleware):
    """Synchronous, like its neighbours: it may ask the database."""

    async_capable = False

    def origin_found_in_white_lists(self, origin: str, url: Any) -> bool:
        return may_read(origin)
