"""Liveness and readiness. While all is well, neither asks the database: Neon may sleep."""

from django.http import HttpRequest, JsonResponse

from documents.readiness import problems
from documents.threads import in_database_thread


async def live(request: HttpRequest) -> JsonResponse:
    """The process runs and its event loop turns."""
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    """Whether this process can answer questions; if not, what an operator has to mend."""
    found = await in_database_thread(problems)()
    return JsonResponse(
        {"status": "ok" if not found else "unavailable", "problems": found},
        status=503 if found else 200,
    )
