"""Redis: reached, and whether it may throw away what it is trusted with."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from documents.diagnosis.base import HTTP_PATIENCE, Finding, Visits, shown


def probe(visits: Visits) -> Iterator[Finding]:
    if not settings.REDIS_URL:
        yield Finding("ok", "not configured: limits and cache in the memory of each process")
        return
    import redis

    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_connect_timeout=HTTP_PATIENCE, socket_timeout=HTTP_PATIENCE
    )
    try:
        client.ping()
        info: Any = client.info()
    except redis.RedisError as error:
        says = f"{shown(settings.REDIS_URL)} does not answer ({type(error).__name__})"
        yield Finding("failed", says, "Check REDIS_URL, and that the server runs.")
        return
    finally:
        client.close()
    yield Finding(
        "ok",
        f"{shown(settings.REDIS_URL)}, version {info.get('redis_version', 'unknown')}, "
        f"{info.get('connected_clients', '?')} of {info.get('maxclients', '?')} clients",
    )
    yield _memory(info)


def _memory(info: dict[str, Any]) -> Finding:
    policy, most = str(info.get("maxmemory_policy", "unknown")), int(info.get("maxmemory", 0) or 0)
    says = f"maxmemory {most / 1e6:,.0f} MB, {policy}" if most else f"no maxmemory, {policy}"
    if most and policy.startswith("allkeys"):
        hint = "It may throw away queued work and limits: set maxmemory-policy to volatile-ttl."
        return Finding("warning", says, hint)
    return Finding("ok", says)
