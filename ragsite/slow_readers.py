"""Readers that take nothing any more: what they are owed stays in no buffer of ours for ever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

logger = logging.getLogger("ragsite")

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class ImpatientSends:
    """An ASGI application for HTTP whose responses are given up when nobody takes them.

    uvicorn lets `send` wait while a connection's buffer is full. Sockets see to it themselves
    (chat/consumers.py), as they say goodbye.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        async def impatient(message: dict[str, Any]) -> None:
            try:
                async with asyncio.timeout(settings.SLOW_READER_SECONDS):
                    await send(message)
            except TimeoutError:
                logger.info("A response was given up: its reader took nothing for a while.")
                # What Django gets when a reader hangs up, which this is as good as.
                raise asyncio.CancelledError from None

        await self.application(scope, receive, impatient)
