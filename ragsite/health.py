"""Liveness and readiness. While all is well, neither asks the database: Neon may sleep."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from documents.problems import no_such_method
from documents.readiness import this_process
from documents.threads import in_database_thread

READING = ("GET", "HEAD")


@csrf_exempt
async def live(request: HttpRequest) -> HttpResponse:
    """The process runs and its event loop turns."""
    if request.method not in READING:
        return no_such_method(request, READING)
    return JsonResponse({"status": "ok"})


@csrf_exempt
async def ready(request: HttpRequest) -> HttpResponse:
    """Whether this process can answer questions; if not, which part cannot. The log says why."""
    if request.method not in READING:
        return no_such_method(request, READING)
    broken = await in_database_thread(this_process.broken)()
    return JsonResponse(
        {"status": "ok" if not broken else "unavailable", "problems": broken},
        status=503 if broken else 200,
    )
