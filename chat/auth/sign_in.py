"""Guesses at passwords: counted in the cache by account and address, then refused for a while.

django-axes does it; here is what it asks us. Settings name these by their path.
"""

import logging
from typing import Any

from axes.handlers.cache import AxesCacheHandler
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

from chat.auth.addresses import client_address, network_of

logger = logging.getLogger(__name__)

PAGE = """<!DOCTYPE html><html lang=en><title>Too many attempts</title><h1>Too many attempts</h1>
<p>The password for this account was wrong {limit} times in a row. Wait {minutes} minutes, then
try again. Nothing shortens that, not even a new password."""


class GuessesInTheCache(AxesCacheHandler):
    """Redis may go away in between two questions about the same count: then it is begun anew."""

    def __init__(self) -> None:
        self.cache = cache  # that of whichever thread asks

    def user_login_failed(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().user_login_failed(*args, **kwargs)
        except ValueError:
            logger.warning("The count of failed sign-ins was lost with the cache")
            super().user_login_failed(*args, **kwargs)


def address_of(request: HttpRequest) -> str:
    """The same address that the rate limit counts."""
    return network_of(client_address(request.META))


def locked_out(request: HttpRequest, *args: Any) -> HttpResponse:
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    page = PAGE.format(limit=settings.AXES_FAILURE_LIMIT, minutes=seconds // 60)
    headers = {"Retry-After": str(seconds), "Cache-Control": "no-store"}
    return HttpResponse(page, status=429, headers=headers)
