"""Who is signed in, from a cookie header alone: a websocket has no request."""

from datetime import datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY, get_user
from django.contrib.auth.models import AnonymousUser
from django.http import parse_cookie


class SignedOut(AnonymousUser):
    """The session is of somebody who may not come in any more: suspended, or gone."""


def key_in(cookie_header: str) -> str:
    return parse_cookie(cookie_header).get(settings.SESSION_COOKIE_NAME, "")


def store(key: str) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(key or None)


def end_of(key: str) -> datetime | None:
    """When it is over, if nobody signs out before; None where that cannot be asked."""
    rows = getattr(store(""), "model", None)
    if rows is None:
        return None
    end: datetime | None = (
        rows.objects.filter(session_key=key).values_list("expire_date", flat=True).first()
    )
    return end


def user_of(cookie_header: str) -> Any:
    """The active user of a session that still exists, SignedOut, or AnonymousUser. Asks the
    database."""
    return user_in(store(key_in(cookie_header)))


def user_in(session: Any) -> Any:
    # Django's own check, with the session's hash: a changed password signs out here too.
    user = get_user(SimpleNamespace(session=session))  # type: ignore[arg-type]
    return user if user.is_authenticated or not names_somebody(session) else SignedOut()


def names_somebody(session: Any) -> bool:
    """It was of an account when it began. A session that is over, or whose password was changed,
    is empty by now."""
    return SESSION_KEY in session and BACKEND_SESSION_KEY in session
