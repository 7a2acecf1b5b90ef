"""Bodies that routes take, out of the schema of the API, with the places where ids go."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.campaigns.matrix.routes import SLOT, Route
from tests.campaigns.matrix.tenants import QUESTION

BOUNDARY = "matrixmatrixmatrix"


@dataclass(frozen=True)
class Slot:
    """`where` it is: path, query or body. `kind`: what it ought to name; "" for anything."""

    where: str
    name: str
    form: str
    kind: str = ""
    is_needed: bool = False


# What names something in a body: form, and kind.
NAMING = {
    "corpus": ("slug", "corpus"), "corpora": ("slug", "corpus"), "model": ("slug", "corpus"),
    "source": ("slug", "source"), "sources": ("slug", "source"),
    "conversation": ("uuid", "conversation"), "conversation_id": ("uuid", "conversation"),
    "message": ("uuid", "question"), "message_id": ("uuid", "message"),
    "key": ("path", "document"), "keys": ("path", "document"), "page": ("url", "document"),
    "text": ("text", "chunk"), "token": ("token", "token"), "uri": ("uri", "document"),
}  # fmt: skip
# Filters that anybody may put into an address, whether the route knows them or not.
QUERIES = (
    ("corpus", "slug"), ("source", "slug"), ("conversation", "uuid"), ("message", "uuid"),
    ("document", "int"), ("id", "int"), ("user", "int"), ("q", "slug"),
)  # fmt: skip
SAYS: dict[str, Any] = {"question": QUESTION, "query": QUESTION, "title": "Lamps", "rating": "up"}
FILTERS = {"sources": [Slot("body", "filters.sources", "slug", "source")]}
SELECTION = {"text": Slot("body", "selection.text", "text", "chunk", True), "mode": "boost"}
CONVERSATION = Slot("body", "conversation_id", "uuid", "conversation")
CORPUS = Slot("body", "corpus", "slug", "corpus", True)


def call_of_tool(name: str, **arguments: Any) -> dict[str, Any]:
    return rpc("tools/call", name=name, arguments={"corpus": CORPUS, **arguments})


def rpc(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


# Of what the schema does not describe: as their clients send them.
ELSEWHERE: dict[str, list[Any]] = {
    "v1/chat/completions": [
        {"model": Slot("body", "model", "slug", "corpus", True), "conversation_id": CONVERSATION,
         "messages": [{"role": "user", "content": QUESTION}], "filters": FILTERS,
         "selection": SELECTION, "page": Slot("body", "page", "url", "document")},
    ],
    "mcp": [
        call_of_tool("search", query=QUESTION, filters=FILTERS),
        call_of_tool("ask", question=QUESTION, conversation_id=CONVERSATION),
        rpc("resources/read", uri=Slot("body", "uri", "uri", "document", True)),
        rpc("resources/list"), rpc("tools/list"), rpc("resources/templates/list"),
    ],
}  # fmt: skip
ELSEWHERE["mcp/"] = ELSEWHERE["mcp"]


class Described:
    """What the schema says of each route."""

    def __init__(self) -> None:
        from drf_spectacular.generators import SchemaGenerator

        schema: Any = SchemaGenerator().get_schema(request=None, public=True)
        self._parts = schema["components"]["schemas"]
        self._paths = {
            SLOT.sub("{}", _as_slots(path)): said for path, said in schema["paths"].items()
        }

    def operation(self, route: Route, method: str) -> dict[str, Any]:
        known = self._paths.get("/" + SLOT.sub("{}", route.pattern), {})
        found: dict[str, Any] = known.get(method.lower(), {})
        return found

    def queries(self, route: Route, method: str) -> list[Slot]:
        described = [
            one["name"] for one in self.operation(route, method).get("parameters", ())
            if one["in"] == "query"
        ]  # fmt: skip
        others = QUERIES[-1:] if self.operation(route, method) else QUERIES
        forms = dict(others) | {name: NAMING[name][0] for name in described if name in NAMING}
        return [Slot("query", name, form) for name, form in forms.items()]

    def bodies(self, route: Route, method: str) -> list[tuple[str, Any]]:
        """Media types, and templates: bodies with slots in them."""
        if method == "POST" and route.pattern in ELSEWHERE:
            return [("application/json", body) for body in ELSEWHERE[route.pattern]]
        content = self.operation(route, method).get("requestBody", {}).get("content", {})
        for media in ("application/json", "multipart/form-data"):
            if media in content:
                return [(media, self._template(content[media]["schema"], "", needed=True))]
        return []

    def fields(self, route: Route, method: str) -> set[str]:
        """Names that a body may have."""
        return {name for _media, body in self.bodies(route, method) for name in body}

    def _template(self, schema: Any, name: str, *, needed: bool) -> Any:
        schema = self._resolved(schema)
        last = name.rpartition(".")[2]
        if schema.get("type") == "object" or "properties" in schema:
            needs = schema.get("required", ())
            inner = f"{name}." if name else ""
            return {
                key: self._template(part, inner + key, needed=key in needs)
                for key, part in schema.get("properties", {}).items()
            }
        if schema.get("type") == "array" and last not in ("file",):
            return [self._template(schema["items"], name, needed=needed)]
        if last in NAMING:
            return Slot("body", name, *NAMING[last], is_needed=needed)
        if schema.get("format") == "uuid":
            return Slot("body", name, "uuid", "", is_needed=needed)
        if last in SAYS:
            return SAYS[last]
        return schema["enum"][0] if schema.get("enum") else OMIT

    def _resolved(self, schema: Any) -> Any:
        while True:
            if "$ref" in schema:
                schema = self._parts[schema["$ref"].rpartition("/")[2]]
            elif len(some := schema.get("allOf") or schema.get("oneOf") or ()) >= 1:
                schema = {
                    **some[0],
                    **{k: v for k, v in schema.items() if k not in ("allOf", "oneOf")},
                }
            else:
                return schema


OMIT = object()


def _as_slots(path: str) -> str:
    return path.replace("{", "<").replace("}", ">")


def slots_in(template: Any) -> Iterator[Slot]:
    match template:
        case Slot():
            yield template
        case dict():
            for part in template.values():
                yield from slots_in(part)
        case list():
            for part in template:
                yield from slots_in(part)


def filled(template: Any, chosen: dict[str, str], home: dict[str, str]) -> Any:
    """The body with these values in its slots; in the others what is at home, if they need it."""
    match template:
        case Slot():
            if template.name in chosen:
                return chosen[template.name]
            return home.get(template.kind, OMIT) if template.is_needed else OMIT
        case dict():
            parts = {name: filled(part, chosen, home) for name, part in template.items()}
            kept = {name: part for name, part in parts.items() if part is not OMIT}
            asks = any(slot.name in chosen for slot in slots_in(template))
            is_whole = asks or not any(True for _ in slots_in(template)) or _is_needed(template)
            return kept if is_whole else OMIT
        case list():
            parts = [filled(part, chosen, home) for part in template]
            return [part for part in parts if part is not OMIT] or OMIT
    return template


def _is_needed(template: dict[str, Any]) -> bool:
    """Not a filter or a selection that nobody asked for."""
    return "mode" not in template and set(template) != set(FILTERS) and "languages" not in template


def as_bytes(media: str, body: Any) -> tuple[str, bytes]:
    """Media type and bytes."""
    if body is OMIT:
        body = {}
    if media == "application/json":
        return media, json.dumps(body).encode()
    lines = []
    for name, value in {**body, "file": None}.items():
        extra = '; filename="lamp.md"' if name == "file" else ""
        text = "# A page\n\nWith one sentence." if name == "file" else value
        said = f'Content-Disposition: form-data; name="{name}"{extra}'
        lines += [f"--{BOUNDARY}", said, "", str(text)]
    lines += [f"--{BOUNDARY}--", ""]
    return f"{media}; boundary={BOUNDARY}", "\r\n".join(lines).encode()
