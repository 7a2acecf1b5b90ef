"""Qdrant's REST interface on its own engine: its answers, refusals, strict mode, and its failures.

Its state is in a directory, so that it can be killed and started again. Told apart from a server:
there is no HNSW graph (every search is exact), one shard, no snapshots, no consensus, no gRPC.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from pydantic_core import from_json

from tests.standins.base import Recorded, Reply, StandIn, json_reply
from tests.standins.faults import Faults, Rule
from tests.standins.qdrant_api import Call, QdrantApi
from tests.standins.qdrant_store import Store
from tests.standins.qdrant_values import Refusal

VERSION = {"title": "qdrant - vector search engine", "version": "1.20.0"}
PROBES = {
    "/healthz": "healthz check passed",
    "/livez": "healthz check passed",
    "/readyz": "all shards are ready",
}
FAULTS = "/_faults"  # the stand-in's own
LARGEST_BODY = 32 * 2**20
THREADS = 32


@dataclass(frozen=True)
class Route:
    method: str
    path: re.Pattern[str]
    operation: str
    writes: bool


def route(method: str, path: str, operation: str, *, writes: bool = False) -> Route:
    pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)
    return Route(method, re.compile(pattern), operation, writes)


COLLECTION = "/collections/{collection}"
ROUTES = [
    route("GET", "/collections", "list_collections"),
    route("GET", "/aliases", "list_aliases"),
    route("POST", "/collections/aliases", "update_aliases", writes=True),
    route("GET", COLLECTION, "get_collection"),
    route("PUT", COLLECTION, "create_collection", writes=True),
    route("PATCH", COLLECTION, "update_collection", writes=True),
    route("DELETE", COLLECTION, "delete_collection", writes=True),
    route("GET", COLLECTION + "/exists", "collection_exists"),
    route("GET", COLLECTION + "/aliases", "list_aliases"),
    route("PUT", COLLECTION + "/index", "create_index", writes=True),
    route("DELETE", COLLECTION + "/index/{field}", "delete_index", writes=True),
    route("POST", COLLECTION + "/points", "retrieve"),
    route("POST", COLLECTION + "/points/scroll", "scroll"),
    route("POST", COLLECTION + "/points/count", "count"),
    route("POST", COLLECTION + "/points/query", "query"),
    route("POST", COLLECTION + "/points/query/batch", "query_batch"),
    route("PUT", COLLECTION + "/points", "upsert", writes=True),
    route("POST", COLLECTION + "/points/delete", "delete", writes=True),
    route("POST", COLLECTION + "/points/payload", "set_payload", writes=True),
    route("PUT", COLLECTION + "/points/payload", "overwrite_payload", writes=True),
    route("POST", COLLECTION + "/points/payload/delete", "delete_payload", writes=True),
    route("POST", COLLECTION + "/points/batch", "batch", writes=True),
]


class QdrantStandIn(StandIn):
    """`cloud`: new collections are in strict mode, as on Qdrant Cloud, unless they say otherwise.

    `faults` holds rules; `lost` and `script` fail single requests. With `remember=False` requests
    are not kept: a campaign sends many.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        api_key: str = "test-qdrant-key",
        read_only_api_key: str = "",
        cloud: bool = False,
        rules: list[Rule] | None = None,
        remember: bool = True,
        port: int = 0,
    ):
        super().__init__(port)
        self.api_key, self.read_only_api_key = api_key, read_only_api_key
        self.faults = Faults(rules or [])
        self.store = Store(directory)
        self._api = QdrantApi(self.store, cloud=cloud)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="qdrant-standin")
        if not remember:
            self.requests = deque(maxlen=0)

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self._pool.shutdown()
        self.store.close()

    def forget(self) -> None:
        """As it was at first: no collections, no aliases, no faults, no requests."""
        for name in list(self.store.collections):
            self.store.delete(name)
        self.faults.replace([])
        self._queues.clear()
        self.requests.clear()

    async def answered(self, scenario: Callable[[Recorded], Reply], request: Recorded) -> Reply:
        # The engine lets go of the interpreter while it works.
        return await asyncio.get_running_loop().run_in_executor(self._pool, scenario, request)

    def carried_out(self, reply: Reply) -> Callable[[Recorded], Reply]:
        """A scenario: the request is applied, and `reply` is what the client gets of it."""

        def scenario(request: Recorded) -> Reply:
            self.respond(request)
            return reply

        return scenario

    def respond(self, request: Recorded) -> Reply:
        if request.path == "/":
            return json_reply(VERSION)
        if request.path in PROBES:
            text = PROBES[request.path].encode()
            return Reply(headers={"content-type": "text/plain"}, chunks=(text,))
        if request.path == FAULTS:
            return self._control(request)
        found = find(request)
        operation = found[0].operation if found else "unknown"
        return self.faults.reply(operation, lambda: self._answer(request, found))

    def _answer(self, request: Recorded, found: tuple[Route, dict[str, str]] | None) -> Reply:
        started = time.monotonic()
        try:
            if complaint := self._unauthorised(request):
                return complaint
            if request.path == "/telemetry":
                return success({"app": {"name": "qdrant", "version": VERSION["version"]}}, started)
            if found is None:
                return Reply(404)
            chosen, named = found
            if chosen.writes and not self._may_write(request):
                raise Refusal(403, "Forbidden: Global manage access is required")
            call = Call(body_of(request), named, dict(parse_qsl(request.query)))
            return success(getattr(self._api, chosen.operation)(call), started)
        except Refusal as refusal:
            spent = time.monotonic() - started
            body = {"status": {"error": refusal.message}, "time": spent}
            return json_reply(body, refusal.status)

    def _unauthorised(self, request: Recorded) -> Reply | None:
        """In plain text, unlike every other refusal."""
        if not self.api_key:
            return None
        given = key_of(request)
        if given is None:
            return plain_text(401, "Must provide an API key or an Authorization bearer token")
        if given not in filter(None, (self.api_key, self.read_only_api_key)):
            return plain_text(401, "Invalid API key or JWT")
        return None

    def _may_write(self, request: Recorded) -> bool:
        return not self.api_key or key_of(request) == self.api_key

    def _control(self, request: Recorded) -> Reply:
        """The rules, from outside: GET, PUT a list, POST one more, DELETE."""
        try:
            if request.method == "PUT":
                self.faults.replace([Rule.of(said) for said in request.json])
            elif request.method == "POST":
                self.faults.add(**Rule.of(request.json).__dict__)
            elif request.method == "DELETE":
                self.faults.replace([])
        except (TypeError, ValueError) as error:
            return json_reply({"error": str(error)}, 400)
        return json_reply(self.faults.report())


def find(request: Recorded) -> tuple[Route, dict[str, str]] | None:
    for known in ROUTES:
        if known.method == request.method and (match := known.path.fullmatch(request.path)):
            return known, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def key_of(request: Recorded) -> str | None:
    bearer = request.headers.get("authorization", "")
    return request.headers.get("api-key") or bearer.removeprefix("Bearer ").strip() or None


def body_of(request: Recorded) -> Any:
    if len(request.body) > LARGEST_BODY:
        size = f"({len(request.body)} bytes) is larger than allowed (limit: {LARGEST_BODY} bytes)"
        raise Refusal(400, f"JSON payload {size}.")
    if not request.body:
        return None
    try:
        return from_json(request.body, allow_inf_nan=False)
    except ValueError as error:
        raise Refusal(400, f"Format error in JSON body: {error}") from error


def success(result: Any, started: float) -> Reply:
    spent = time.monotonic() - started
    return json_reply({"usage": {}, "result": result, "status": "ok", "time": spent})


def plain_text(status: int, text: str) -> Reply:
    return Reply(status, {"content-type": "text/plain; charset=utf-8"}, (text.encode(),))
