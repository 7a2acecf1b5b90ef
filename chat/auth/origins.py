"""Which pages may speak to us from a browser: our own, those of API keys, those of the settings."""

from dataclasses import dataclass
from time import monotonic
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from chat.auth.revocation import revision
from chat.models import ApiKey
from chat.origins import origin_of

KEPT = 60.0  # seconds; a change in the admin is seen at once


@dataclass(frozen=True)
class _Known:
    origins: frozenset[str]
    revision: str
    until: float


NOTHING = _Known(frozenset(), "", 0.0)
_known = NOTHING


def of_keys() -> frozenset[str]:
    """Of keys that can be used. Asks the database once a minute, and after a change."""
    global _known
    now = revision()
    if now != _known.revision or monotonic() > _known.until:
        was_open = connection.connection is not None
        try:
            keys = [*ApiKey.objects.get_usable_keys().exclude(origins="")]
        except DatabaseError:
            return _known.origins  # whoever needs more of the database will say that it is away
        finally:
            # A view may have given its connection back already, as its stream takes minutes.
            if not was_open and not connection.in_atomic_block:
                connection.close()
        origins = frozenset(origin for key in keys for origin in key.allowed_origins)
        _known = _Known(origins, now, monotonic() + KEPT)
    return _known.origins


def may_read(origin: str) -> bool:
    """Whether scripts of this origin may see what the API answers; they send no cookies."""
    return origin in settings.CORS_ALLOWED_ORIGINS or origin in of_keys()


def allowed(request: HttpRequest) -> bool:
    """Whether the page that asks may open a websocket, or call what no form could: one of our own,
    by the very scheme, name and port under which it reached us, or one that may read the API.

    May ask the database; raises DisallowedHost.
    """
    origin = request.headers.get("origin", "")
    if (page := origin_of(origin)) is None:
        return False
    ours = origin_of(f"{request.scheme}://{request.get_host()}")
    # Behind a proxy that changes the name, the settings say it, as they do for forms.
    return page == ours or origin in settings.CSRF_TRUSTED_ORIGINS or may_read(origin)


class Cors(CorsMiddleware):
    """Synchronous, like its neighbours: it may ask the database."""

    async_capable = False

    def add_response_headers(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Our own pages, which name themselves with each POST, are not looked for."""
        ours = f"{request.scheme}://{request.META.get('HTTP_HOST', '')}"
        if request.headers.get("origin") != ours:
            return super().add_response_headers(request, response)
        if self.is_enabled(request):
            patch_vary_headers(response, ("origin",))
        return response

    def origin_found_in_white_lists(self, origin: str, url: Any) -> bool:
        return may_read(origin)
