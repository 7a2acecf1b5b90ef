"""Liveness and readiness. Neither touches the database: a prober must not keep Neon awake."""

from django.http import HttpRequest, JsonResponse

from documents.readiness import problems


async def live(request: HttpRequest) -> JsonResponse:
    """The process runs and its event loop turns."""
    return JsonResponse({"status": "ok"})


async def ready(request: HttpRequest) -> JsonResponse:
    """Whether questions can be answered, as far as this process knows without asking anyone."""
    found = problems()
    return JsonResponse(
        {"status": "ok" if not found else "unavailable", "problems": found},
        status=503 if found else 200,
    )
