"""What the views ask of a request: who sends it, and whether there is room for it."""

from typing import cast

from asgiref.sync import async_to_sync
from rest_framework.request import Request

from chat.auth import schema as _registers_credentials  # noqa: F401
from chat.auth.principal import Principal
from chat.limits import TooManyQuestions, admit
from documents.problems import Problem


def principal_of(request: Request) -> Principal:
    """Set by PrincipalAuthentication, for anonymous visitors too."""
    return cast(Principal, request.auth)


def count(principal: Principal, what: str) -> None:
    """One more from a caller's budget; a 429 when it is used up."""
    try:
        async_to_sync(admit)(principal, what)
    except TooManyQuestions as error:
        raise Problem(429, "rate_limited", str(error), retry_after=error.retry_after) from None
