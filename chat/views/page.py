"""The page to ask from."""

from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie

from chat.auth import visitors


@ensure_csrf_cookie
def chat_page(request: Any) -> HttpResponseBase:
    """A plain page to ask from, over the websocket."""
    response = render(request, "chat/chat.html")
    if visitors.visitor_id(request.COOKIES.get(visitors.COOKIE, "")) is None:
        response.set_cookie(
            visitors.COOKIE,
            visitors.new_token(),
            max_age=visitors.MAX_AGE,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure(),
        )
    return response
