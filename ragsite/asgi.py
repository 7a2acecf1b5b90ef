"""Entry point: HTTP and websockets. There is no wsgi.py; streams and sockets need ASGI.

uvicorn ragsite.asgi:application --ws websockets-sansio --no-proxy-headers
        --timeout-graceful-shutdown 25
"""

import logging
import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
django_application = get_asgi_application()

# Apps must be loaded first.
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from chat import limits  # noqa: E402
from chat.models import Message  # noqa: E402
from chat.pipeline import AnswerPipeline  # noqa: E402
from chat.routing import websocket_urlpatterns  # noqa: E402
from documents import ledger  # noqa: E402
from documents.readiness import this_process  # noqa: E402
from documents.threads import in_database_thread  # noqa: E402
from ingestion import worker  # noqa: E402
from ragsite.bodies import MeasuredBodies  # noqa: E402

logger = logging.getLogger("ragsite")


def start() -> None:
    """Import the clients, load the model, open the index: before the first reader waits."""
    this_process.watch("answers", AnswerPipeline.from_settings)
    this_process.check()
    limits.prepare()
    Message.objects.interrupt_abandoned()


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Load models and fill the index before the first reader waits for it."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await in_database_thread(start)()
            except Exception:
                # Not fatal: the admin may be needed to mend it.
                logger.exception("Starting went wrong")
            await in_database_thread(worker.begin)()
            await send({"type": "lifespan.startup.complete"})
        else:
            await in_database_thread(worker.end)()
            # Here too: the signal that stopped uvicorn ends the process without its exit handlers.
            await in_database_thread(ledger.this_process.flush)()
            await send({"type": "lifespan.shutdown.complete"})
            return


application = ProtocolTypeRouter(
    {
        "http": MeasuredBodies(django_application),
        # The Origin is checked before anything else; a missing one is refused too.
        "websocket": AllowedHostsOriginValidator(URLRouter(websocket_urlpatterns)),
        "lifespan": lifespan,
    }
)
