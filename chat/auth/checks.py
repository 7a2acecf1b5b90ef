"""`manage.py check` on sign-in by Better Auth: half set, not safe, or not what it seems."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from chat.auth.jwks import KINDS
from documents.checks import OURS

HERE = ("localhost", "127.0.0.1", "::1")
ADDRESSES = ("BETTER_AUTH_URL", "BETTER_AUTH_ISSUER", "BETTER_AUTH_JWKS_URL")
MORE = ("BETTER_AUTH_ISSUER", "BETTER_AUTH_AUDIENCE", "BETTER_AUTH_JWKS_URL")


@register(OURS)
def better_auth_is_configured(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    if not settings.BETTER_AUTH_URL:
        return [
            Error(
                f"{name} is set, but BETTER_AUTH_URL is empty: no token is accepted.",
                hint="Set BETTER_AUTH_URL to the server's address, or empty the other one.",
                id="chat.E010",
            )
            for name in MORE
            if getattr(settings, name)
        ]
    found = [problem for name in ADDRESSES for problem in _address(name, getattr(settings, name))]
    unsafe = [name for name in settings.BETTER_AUTH_ALGORITHMS if name not in KINDS]
    if unsafe or not settings.BETTER_AUTH_ALGORITHMS:
        found.append(
            Error(
                f"BETTER_AUTH_ALGORITHMS names {unsafe[0] if unsafe else 'none'}.",
                hint=f"Set it to what the server signs with, of {', '.join(KINDS)}.",
                id="chat.E011",
            )
        )
    if not settings.BETTER_AUTH_AUDIENCE:
        found.append(
            Warning(
                "BETTER_AUTH_AUDIENCE is empty: tokens for anything of that server are accepted.",
                hint="Set it, and the audience of the server's jwt plugin, to a name for this API.",
                id="chat.W011",
            )
        )
    return found


def _address(name: str, value: str) -> list[CheckMessage]:
    if not value:
        return []
    try:
        address = urlsplit(value)
        host = address.hostname or ""
    except ValueError:
        address, host = urlsplit(""), ""
    if name == "BETTER_AUTH_ISSUER" and not host:
        return []  # any string may be one; it is compared and never asked
    if address.scheme not in ("http", "https") or not host:
        return [
            Error(
                f"{name} is no http:// or https:// address.",
                hint="For example https://auth.example.org",
                id="chat.E012",
            )
        ]
    if address.scheme == "http" and host not in HERE:
        # Whoever stands between could hand us keys of his own, and sign in as anybody.
        kind = Error if settings.HTTPS else Warning
        return [
            kind(
                f"{name} is reached by plain HTTP at {host}.",
                hint="Use its https:// address: its keys decide who is signed in.",
                id="chat.E013" if settings.HTTPS else "chat.W012",
            )
        ]
    return []
