"""The address that the rate limit of anonymous visitors counts."""

from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network, ip_address
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


def network_of(address: str) -> str:
    """What one visitor holds: an IPv4 address, but a whole /64 of IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped or IPv6Network((int(parsed), 64), strict=False))
