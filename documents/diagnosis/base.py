"""A probe asks one part; all are asked at once, none is waited for long, none keeps the others."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from django.db import connections

from documents.redaction import without_secrets
from documents.upstream.http import sync_client

logger = logging.getLogger(__name__)

Response = httpx.Response
Status = Literal["ok", "warning", "failed"]
PATIENCE = 5.0  # seconds, for each probe
HTTP_PATIENCE = 4.0
SKEW = 30.0  # seconds that a clock may be wrong


@dataclass(frozen=True)
class Finding:
    """`failed`: something configured cannot be used. `warning`: it can, and should be looked at."""

    status: Status
    says: str
    hint: str = ""


class Visits:
    """HTTP as probes speak it; remembers how far the clocks of the servers are from ours."""

    def __init__(self) -> None:
        self.skews: dict[str, float] = {}  # seconds, by host

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Without redirects and retries; raises httpx.HTTPError."""
        asked_at = time.time()
        with sync_client(read=HTTP_PATIENCE, total=HTTP_PATIENCE, connect=HTTP_PATIENCE) as client:
            response = client.get(url, headers=headers)
        try:
            told = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
        except ValueError:
            return response
        self.skews[response.url.host] = told - (asked_at + time.time()) / 2
        return response


Probe = Callable[[Visits], Iterator[Finding]]


def examine(probes: Mapping[str, Probe]) -> dict[str, list[Finding]]:
    """By part, in their order; the last part is the clock. Takes no longer than a probe may."""
    visits = Visits()
    found: dict[str, list[Finding]] = {part: [] for part in probes}
    threads = {
        part: threading.Thread(
            target=_ask, args=(probe, visits, found[part]), name=f"doctor: {part}", daemon=True
        )
        for part, probe in probes.items()
    }
    for thread in threads.values():
        thread.start()
    until = time.monotonic() + PATIENCE
    for part, thread in threads.items():
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            found[part] = [*found[part], Finding("failed", f"no answer within {PATIENCE:.0f} s")]
    found["clock"] = list(_clock(visits))
    return {part: [_clean(finding) for finding in findings] for part, findings in found.items()}


def _ask(probe: Probe, visits: Visits, found: list[Finding]) -> None:
    try:
        for finding in probe(visits):
            found.append(finding)  # noqa: PERF402 - what was found before a stall is shown
    except httpx.HTTPError as error:
        found.append(Finding("failed", f"cannot be reached ({type(error).__name__})"))
    except Exception as error:  # the others go on, whatever it is
        logger.debug("A probe failed", exc_info=True)
        found.append(Finding("failed", f"{type(error).__name__}: {error}"))
    finally:
        connections.close_all()


def _clock(visits: Visits) -> Iterator[Finding]:
    if not visits.skews:
        yield Finding("ok", "no server told its time")
        return
    host, skew = max(visits.skews.items(), key=lambda item: abs(item[1]))
    if abs(skew) > SKEW:
        yield Finding(
            "warning",
            f"{abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the clock of {host}",
            "Let the machine's clock be set over the network (NTP): tokens, limits and budgets go "
            "by it.",
        )
    else:
        yield Finding("ok", f"within {max(1, round(abs(skew)))} s of {len(visits.skews)} server(s)")


def _clean(finding: Finding) -> Finding:
    return Finding(finding.status, without_secrets(finding.says), without_secrets(finding.hint))


def shown(address: str) -> str:
    """An address without its password and query."""
    parts = urlsplit(address)
    who = f"{parts.username}:***@" if parts.password else ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{who}{parts.hostname or ''}{port}{parts.path}"


def refusal(response: httpx.Response, key: str) -> Finding | None:
    """What an HTTP status says about the key; None: nothing is wrong with it."""
    match response.status_code:
        case 200:
            return None
        case 401 | 403 | 498:
            says, hint = f"refused the key ({response.status_code})", f"Check {key}."
        case 402:
            says, hint = "wants to be paid (402)", "Add credit, or raise the limit of the key."
        case 429:
            says, hint = "allows no more calls now (429)", "Try again later; see the budgets."
        case status:
            says, hint = f"answered {status}", "Check the address, and the provider's status page."
    return Finding("failed", says, hint)


def payload_of(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
