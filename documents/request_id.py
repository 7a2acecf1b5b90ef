"""What is known of the request that is being answered, wherever in the code somebody asks.

Bound to the context, so that threads and tasks that a request starts have it too. Outside of any
request (a command, a worker) there is nothing.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from uuid import uuid4

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

HEADER = "X-Request-ID"
SANE = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")


@dataclass
class Visit:
    """One request, from its first byte to the last of its answer; or one websocket."""

    id: str = field(default_factory=lambda: uuid4().hex)
    address: str = ""  # not whole: see `truncated`
    route: str = ""
    principal: str = ""  # "key:…", "user:…", "visitor:…"; empty while nobody has asked who it is
    signed_in: Callable[[], str] = str  # the same of a session: it may have to ask the database


_current: ContextVar[Visit | None] = ContextVar("visit", default=None)


@contextmanager
def visit(offered: str = "", address: str = "") -> Iterator[Visit]:
    """All that happens inside belongs to this request. `offered`: the id that the client gave it,
    which is taken if it can do no harm in a header or a log."""
    begun = Visit(address=truncated(address))
    if SANE.match(offered):
        begun.id = offered
    token = _current.set(begun)
    try:
        yield begun
    finally:
        _current.reset(token)


def present() -> Visit | None:
    return _current.get()


def current() -> str:
    """The id of the request; empty outside of any."""
    found = _current.get()
    return found.id if found else ""


def is_sent_by(principal: str) -> None:
    """Said by whoever looked at the credentials."""
    if found := _current.get():
        found.principal = principal


def actor() -> str:
    """Who is at work: a principal, "anonymous", or outside of any request "command"."""
    found = _current.get()
    if found is None:
        return "command"
    return found.principal or found.signed_in() or "anonymous"


class InLogs(logging.Filter):
    """Each line of the log says which request it is about, "-" for none."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current() or "-"
        return True


def truncated(address: str) -> str:
    """The network that an address lies in (/24, /48): enough to tell attacks apart, too little to
    tell people apart."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ip_network((int(parsed), 48), strict=False))
        parsed = parsed.ipv4_mapped
    return str(ip_network((int(parsed), 24), strict=False))


@sync_and_async_middleware
def noted(get_response: Any) -> Any:
    """Django's part: where the request leads, and who has a session. What stands outside of Django
    (ragsite/visits.py) begins the visit; without it, in a test, it begins here."""

    @contextmanager
    def begun(request: HttpRequest) -> Iterator[Visit]:
        offered = request.headers.get(HEADER, "")
        with nullcontext(known) if (known := present()) else visit(offered) as one:
            one.signed_in = lambda: _of_session(request)
            yield one

    def noted_on(response: Any, request: HttpRequest, known: Visit) -> Any:
        known.signed_in = str  # a stream outlives the session's connection
        if found := getattr(request, "_cached_user", None):
            known.principal = known.principal or (f"user:{found.pk}" if found.pk else "")
        if request.resolver_match:
            known.route = request.resolver_match.route
        response.headers.setdefault(HEADER, known.id)
        return response

    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> Any:
            with begun(request) as known:
                return noted_on(await get_response(request), request, known)

        return asynchronous

    def synchronous(request: HttpRequest) -> Any:
        with begun(request) as known:
            return noted_on(get_response(request), request, known)

    return synchronous


def _of_session(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    return f"user:{user.pk}" if user is not None and user.is_authenticated else ""
