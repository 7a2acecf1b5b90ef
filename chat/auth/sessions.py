"""Who is signed in, from a cookie header alone: a websocket has no request."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import parse_cookie


def key_in(cookie_header: str) -> str:
    return parse_cookie(cookie_header).get(settings.SESSION_COOKIE_NAME, "")


def user_of(cookie_header: str) -> Any:
    """The active user of a session that still exists, or AnonymousUser. Asks the database."""
    key = key_in(cookie_header)
    store = import_module(settings.SESSION_ENGINE).SessionStore
    # Django's own check, with the session's hash: a changed password signs out here too.
    return get_user(SimpleNamespace(session=store(key or None)))  # type: ignore[arg-type]
