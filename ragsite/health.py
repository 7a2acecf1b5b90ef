"""Liveness and readiness. While all is well, neither asks the database: Neon may sleep."""

from django.http import HttpRequest, JsonResponse

from documents.readiness import this_process
from documents.threads import in_database_thread


async def live(request: HttpRequest) -> JsonResponse:
    """The process runs and its event loop turns."""
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    """Whether this process can answer questions; if not, which part cannot. The log says why."""
    broken = await in_database_thread(this_process.broken)()
    return JsonResponse(
        {"status": "ok" if not broken else "unavailable", "problems": broken},
        status=503 if broken else 200,
    )
