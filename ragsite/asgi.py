"""Entry point: HTTP and websockets. There is no wsgi.py; streams and sockets need ASGI.

uvicorn ragsite.asgi:application --ws websockets-sansio --no-proxy-headers
        --timeout-graceful-shutdown 25
"""

import asyncio
import logging
import os
import signal
import threading
from types import FrameType
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
django_application = get_asgi_application()

# Apps must be loaded first.
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402

from chat import limits  # noqa: E402
from chat.mcp.door import ADDRESSES, Door  # noqa: E402
from chat.pipeline import AnswerPipeline  # noqa: E402
from chat.routing import websocket_urlpatterns  # noqa: E402
from chat.running import running  # noqa: E402
from documents import ledger  # noqa: E402
from documents.production import refuse_to_start  # noqa: E402
from documents.readiness import this_process  # noqa: E402
from documents.threads import in_database_thread  # noqa: E402
from ingestion import worker  # noqa: E402
from ragsite.bodies import MeasuredBodies  # noqa: E402
from ragsite.origins import KnownOrigins  # noqa: E402
from ragsite.slow_readers import ImpatientSends  # noqa: E402
from ragsite.visits import Visits  # noqa: E402

logger = logging.getLogger("ragsite")
refuse_to_start()


def start() -> None:
    """Import the clients, load the model, open the index: before the first reader waits."""
    this_process.watch("answers", AnswerPipeline.from_settings)
    this_process.check()
    limits.prepare()


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Load models and fill the index before the first reader waits for it."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await in_database_thread(start)()
                running().clear_up()
                running().listen()
            except Exception:
                # Not fatal: the admin may be needed to mend it.
                logger.exception("Starting went wrong")
            _drain_when_told_to_end()
            await in_database_thread(worker.begin)()
            await send({"type": "lifespan.startup.complete"})
        else:
            await running().drain(settings.DRAIN_SECONDS)
            # At once: uvicorn has used up to 25 of the 30 seconds that the end may take.
            await asyncio.gather(
                assistants.close(), running().close(), in_database_thread(worker.end)()
            )
            # Here too: the signal that stopped uvicorn ends the process without its exit handlers.
            await in_database_thread(ledger.this_process.flush)()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _drain_when_told_to_end() -> None:
    """The signal comes long before the lifespan's end: uvicorn waits for its connections first."""
    if threading.current_thread() is not threading.main_thread():
        return  # a server of the tests, to which no signal comes
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGTERM)

    def told(number: int, frame: FrameType | None) -> None:
        this_process.ends = True
        loop.call_soon_threadsafe(
            lambda: _draining.append(loop.create_task(running().drain(settings.DRAIN_SECONDS)))
        )
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGTERM, told)


_draining: list[asyncio.Task[None]] = []  # held, or it might be collected before its end


async def by_address(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Assistants speak to the SDK of their protocol, everybody else to Django. So do the pages that
    first ask whether they may (OPTIONS)."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    to_assistants = settings.MCP and path in ADDRESSES and scope["method"] != "OPTIONS"
    await (assistants if to_assistants else django_application)(scope, receive, send)


assistants = Door()
application = ProtocolTypeRouter(
    {
        "http": Visits(ImpatientSends(MeasuredBodies(by_address))),
        # The Origin is checked before anything else; a missing one is refused too.
        "websocket": Visits(KnownOrigins(URLRouter(websocket_urlpatterns))),
        "lifespan": lifespan,
    }
)
