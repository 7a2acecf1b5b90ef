"""The address that the rate limit of anonymous visitors counts."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings


def client_address(meta: Mapping[str, Any]) -> str:
    """The socket's peer, or what the outermost trusted proxy said it was.

    Only as many hops of X-Forwarded-For as TRUSTED_PROXIES names are believed: the rest of that
    header is the client's own invention.
    """
    hops = settings.TRUSTED_PROXIES
    forwarded = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if part]
    if hops and len(forwarded) >= hops:
        return str(forwarded[-hops])
    return str(meta.get("REMOTE_ADDR", ""))
