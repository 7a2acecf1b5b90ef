"""`manage.py check` on background work: who does it, and whether it can; what may be fetched."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from documents.checks import OURS

WORKERS = ("auto", "external", "none")


@register(OURS)
def somebody_works(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.WORKER not in WORKERS:
        found.append(
            Error(
                f'WORKER is "{settings.WORKER}".',
                hint=f"Set it to one of {', '.join(WORKERS)}.",
                id="ingestion.E001",
            )
        )
    consumer: Any = settings.HUEY["consumer"]
    threads = consumer["workers"]
    if threads < 1:
        found.append(
            Error(
                f"WORKER_THREADS is {threads}: nothing would ever be done.",
                hint="Set it to 1 or more, or WORKER=none.",
                id="ingestion.E002",
            )
        )
    if settings.WORKER == "external" and not settings.REDIS_URL:
        found.append(
            Warning(
                "WORKER is external, but REDIS_URL is empty: the queue is a file in VAR_DIR.",
                hint="Run `manage.py run_huey` on this machine with the same VAR_DIR, or set "
                "REDIS_URL.",
                id="ingestion.W001",
            )
        )
    return found


@register(OURS)
def what_may_be_fetched_is_readable(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    if not settings.FETCH_ALLOWED_ADDRESSES:
        return []
    from ingestion.fetching import Allowed  # pulls the clients of the network in

    try:
        Allowed.read(settings.FETCH_ALLOWED_ADDRESSES)
    except ValueError as error:
        hint = "Correct or remove it: until then no site and no repository can be read."
        return [Error(f"FETCH_ALLOWED_ADDRESSES: {error}.", hint=hint, id="ingestion.E003")]
    return []


@register(OURS, Tags.security, deploy=True)
def nothing_is_to_be_killed(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    if not settings.FAILPOINT:
        return []
    message = f'FAILPOINT is "{settings.FAILPOINT}": this process will kill itself.'
    return [Warning(message, hint="Unset it: it is for crash tests.", id="ingestion.W002")]
