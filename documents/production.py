"""What must not go into production, which is HTTPS=1: `manage.py check` names it, and the server
does not start with it. Django's own `check --deploy` knows the rest."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from documents.checks import OURS

KEY_LENGTH, KEY_VARIETY = 50, 5  # as Django's check has them
EXAMPLES = ("replace-me", "change-me", "changeme", "django-insecure", "only-for-tests")
LOCAL = {"127.0.0.1", "localhost", "[::1]"}
# Whoever has to look something up finds out about it after a while.
SHORTEST_AUDIT = 30  # days


@register(OURS)
def fit_for_production(
    app_configs: Sequence[AppConfig] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    found = list(_anywhere())
    if settings.HTTPS:
        found += [*_key(), *_hosts(), *_origins()]
        if not settings.TRUSTED_PROXIES:
            found.append(
                Warning(
                    "HTTPS=1 means a proxy in front, and TRUSTED_PROXIES is 0.",
                    hint="Set TRUSTED_PROXIES to their number: all readers share one rate limit.",
                    id="documents.W020",
                )
            )
    return found


def _anywhere() -> Iterator[CheckMessage]:
    if settings.TRUSTED_PROXIES < 0:
        yield _error(20, "TRUSTED_PROXIES is negative.", "Count the proxies in front; or 0.")
    if settings.CONVERSATION_RETENTION_DAYS < 0:
        yield _error(21, "CONVERSATION_RETENTION_DAYS is negative.", "Set days, or 0 for nothing.")
    if settings.AUDIT_RETENTION_DAYS < SHORTEST_AUDIT:
        yield _error(
            22, "AUDIT_RETENTION_DAYS is too short to look anything up.",
            f"Set it to {SHORTEST_AUDIT} or more.",
        )  # fmt: skip
    if settings.LOG_FORMAT not in ("line", "json"):
        yield _error(23, f'LOG_FORMAT is "{settings.LOG_FORMAT}".', "Set it to line or json.")


def _key() -> Iterator[CheckMessage]:
    if settings.DEBUG:
        yield _error(24, "DEBUG is on with HTTPS=1.", "Its pages show settings and code: DEBUG=0.")
    key = str(settings.SECRET_KEY)
    if len(key) < KEY_LENGTH or len(set(key)) < KEY_VARIETY:
        hint = 'Make one: python -c "import secrets; print(secrets.token_urlsafe(64))"'
        yield _error(25, "SECRET_KEY is too short, or the same character again and again.", hint)
    if key.lower().startswith(EXAMPLES):
        yield _error(26, "SECRET_KEY is one from an example.", "Everybody knows it; make your own.")


def _hosts() -> Iterator[CheckMessage]:
    hosts = settings.ALLOWED_HOSTS
    if any(host in ("*", ".") for host in hosts):
        yield _error(27, "ALLOWED_HOSTS allows any host.", "Name those that lead here.")
    elif not set(hosts) - LOCAL:
        yield _error(28, "ALLOWED_HOSTS names no host but this machine.", "Add your host name.")
    if any("/" in host for host in hosts):
        yield _error(29, "ALLOWED_HOSTS holds an address.", "A host name alone: docs.example.org")


def _origins() -> Iterator[CheckMessage]:
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        if not origin.startswith("https://"):
            hint = "What comes in plain HTTP can be written by anybody: https://"
            yield _error(30, f"CSRF_TRUSTED_ORIGINS holds {origin}.", hint)
        elif origin.removeprefix("https://") in ("", "*", "*."):
            yield _error(31, "CSRF_TRUSTED_ORIGINS trusts every page.", "Name your own.")


def _error(number: int, message: str, hint: str) -> Error:
    return Error(message, hint=hint, id=f"documents.E{number:03}")


def refuse_to_start() -> None:
    """A server is not to be reached before it is mended, nor to be found out by chance later."""
    wrong = [found for found in fit_for_production() if isinstance(found, Error)]
    if wrong:
        told = "\n".join(f"- {found.msg} {found.hint}" for found in wrong)
        raise ImproperlyConfigured(f"These settings are not for production:\n{told}")
