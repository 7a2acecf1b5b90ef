"""Qdrant: its version, our collection behind its alias, and what filters need."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, cast

from django.conf import settings

from documents.diagnosis.base import Finding, Visits, payload_of, refusal, shown
from documents.index.base import IndexUnavailable, SpaceMismatch
from documents.providers import get_index

if TYPE_CHECKING:
    from documents.index.qdrant import QdrantIndex


def probe(visits: Visits) -> Iterator[Finding]:
    if not settings.QDRANT_URL:
        yield Finding("ok", "embedded in each process; there is no server")
        return
    if settings.QDRANT_URL == ":memory:":
        yield Finding("warning", "in memory: gone with the process")
        return
    headers = {"api-key": settings.QDRANT_API_KEY} if settings.QDRANT_API_KEY else {}
    response = visits.get(settings.QDRANT_URL.rstrip("/") + "/", headers)
    if problem := refusal(response, "QDRANT_API_KEY"):
        yield problem
        return
    yield _version(str(payload_of(response).get("version", "")))
    yield from _collection()


def _version(server: str) -> Finding:
    client = version("qdrant-client")
    says = f"{shown(settings.QDRANT_URL)}, server {server or 'unknown'}, client {client}"
    try:
        (major, minor), (ours, our_minor) = (
            [int(part) for part in said.split(".")[:2]] for said in (server, client)
        )
    except ValueError:
        return Finding("warning", says, "Is this the address of a Qdrant server?")
    if major != ours or abs(minor - our_minor) > 1:
        hint = "Client and server should be at most one minor version apart."
        return Finding("warning", says, hint)
    return Finding("ok", says)


def _collection() -> Iterator[Finding]:
    index = cast("QdrantIndex", get_index())
    try:
        active = index.active_collection()
        index.open()
        if index.collection not in {collection.name for collection in index.family()}:
            hint = "`manage.py ingest` makes it."
            yield Finding("warning", f"the collection {index.collection} is not there yet", hint)
            return
        faults = index.faults()
        facts = index.own.facts()
    except SpaceMismatch as error:
        yield Finding("failed", str(error))
        return
    except IndexUnavailable as error:
        suspended = error.code in ("unavailable", "timeout")
        hint = "See whether the cluster is suspended." if suspended else ""
        yield Finding("failed", str(error), hint)
        return
    says = f"alias {index.alias} on {active or 'nothing'}, {facts.points:,} points"
    if facts.dimension != (index.space.dimension or None):
        yield Finding("failed", f"{says} of dimension {facts.dimension}, not {index.space}")
    else:
        yield Finding("ok", f"{says} of {index.space.vectors}")
    yield Finding("ok", f"strict mode {'on' if facts.strict else 'off'}")
    for fault in faults:
        # A filter on a field without an index is refused in strict mode.
        status = "failed" if "payload index" in fault else "warning"
        yield Finding(status, fault, "Run `manage.py ingest` or `manage.py reindex`.")  # type: ignore[arg-type]
