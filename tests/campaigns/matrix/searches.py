"""What is asked of the index on somebody's behalf: always within corpora that they may read."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from tests.campaigns.matrix.canaries import EVERYTHING
from tests.campaigns.matrix.people import Person

# The operations that look for points; their bodies must name the corpora.
LOOKING = ("/points/query", "/points/scroll", "/points/count", "/points/search")
LISTS = ("should", "must_not", "min_should")


class Searches:
    """Records requests to a stand-in of Qdrant; `letters`: ids of corpora to tenants' names."""

    def __init__(self, standin: Any) -> None:
        self.standin, self.letters = standin, {}
        self.seen = self.looked = 0

    def wrong(self, person: Person, line: str) -> Iterator[str]:
        """Requests since the last look that reach further than this person may read."""
        grants = person.grants_at(line.partition(" ")[2])
        new = self.standin.requests[self.seen :]
        self.seen += len(new)
        for request in new:
            if any(part in request.path for part in LOOKING):
                self.looked += 1
                if told := self.complaint(request.json, grants):
                    yield f"{request.path}: {told}: {str(request.json)[:300]}"

    def complaint(self, body: dict[str, Any], grants: Collection[str]) -> str:
        """Each part of a search that draws candidates of its own must be within corpora."""
        readable = {pk for pk, letter in self.letters.items() if f"corpus:{letter}" in grants}
        for part in drawing(body):
            corpora = corpora_of(part.get("filter") or {})
            if corpora is None:
                return "no condition on corpora"
            if EVERYTHING not in grants and not corpora <= readable:
                return f"corpora {sorted(corpora)}, of {sorted(readable)}"
        return ""


def drawing(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The innermost searches: what is fused afterwards comes out of them."""
    if isinstance(body.get("searches"), list):
        for one in body["searches"]:
            yield from drawing(one)
        return
    inner = body.get("prefetch") or []
    for one in inner if isinstance(inner, list) else [inner]:
        yield from drawing(one)
    if not inner:
        yield body


def corpora_of(condition: dict[str, Any]) -> set[str] | None:
    """Those to which a filter keeps a search; None if it does not."""
    must = condition.get("must") or []
    for one in must if isinstance(must, list) else [must]:
        if one.get("key") == "corpus":
            match = one.get("match", {})
            return set(match.get("any", [])) | ({match["value"]} if "value" in match else set())
    return None


@contextmanager
def recorded() -> Iterator[tuple[Searches, dict[str, Any]]]:
    """The index behind a socket, in strict mode as in the cloud; and settings that lead there."""
    from tests.standins.qdrant import QdrantStandIn

    with QdrantStandIn(cloud=True) as standin:
        yield Searches(standin), {
            "EMBEDDER": "auto", "QDRANT_URL": standin.url, "QDRANT_API_KEY": standin.api_key,
            "QDRANT_TIMEOUT": 20, "QDRANT_SEARCH_DEADLINE_MS": 10_000,
        }  # fmt: skip
