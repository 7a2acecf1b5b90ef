"""What every operation of the description has in common, told once: parameters, headers, errors."""

from collections.abc import Iterable
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from documents.closed import Closed, Query
from documents.etags import Tagged
from documents.idempotency import HEADER, WELL_FORMED
from documents.permissions import needed
from documents.powers import READING as OF_VISITORS
from documents.problems import CONTENT_TYPE
from documents.serializers import ProblemSerializer

WHY = {
    "400": "A parameter or field is missing, unknown or wrong.",
    "401": "The credential that came with the request is not good.",
    "403": "The credential does not allow this.",
    "404": "There is no such thing, or it is not yours to see.",
    "406": "Nothing that the client accepts can be answered.",
    "408": "The body took too long to arrive.",
    "409": "It is not in a state for this; `code` says why.",
    "412": "It is not as `If-Match` says any more.",
    "413": "The body is too large.",
    "415": "The body is of a type that is not read here.",
    "422": "It is well-formed, and cannot be done; `code` says why.",
    "429": "Too many of these in a minute.",
    "500": "A mistake of ours.",
    "502": "The model could not answer.",
    "503": "A part that is needed is away, or the server is full.",
    "507": "The disk refused the files.",
}
EVERYWHERE = ("400", "401", "403", "404", "406", "503")
WITH_A_BODY = ("408", "413", "415")
LATER = ("409", "429", "503")  # may say when to come back


def header(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string", **schema}}


HEADERS = {
    "RequestId": header("The client's own X-Request-ID, or a new one."),
    "RetryAfter": header("Seconds.", pattern="^[0-9]+$"),
    "ETag": header("A strong one."),
    "Replayed": header("The answer is that of an earlier request.", enum=["true"]),
}
A_TAG = f'"{"0" * 32}"'
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER, str, OpenApiParameter.HEADER, pattern=f"^{WELL_FORMED.pattern}$",
    description="Chosen by the client: the same request sent again is not done again.",
)  # fmt: skip
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER,
    description="Its ETag as it was read: 412 if it has changed since.",
    examples=[OpenApiExample("A tag", A_TAG)],
)  # fmt: skip
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER,
    description="Its ETag as it was read: 304 if it has not changed since.",
    examples=[OpenApiExample("A tag", A_TAG)],
)  # fmt: skip


class Described(AutoSchema):
    def get_summary(self) -> str:
        """The first sentence of what the method or the view says of itself."""
        first = (super().get_description() or "").strip().split("\n\n")[0].replace("\n", " ")
        return first.split(". ")[0].rstrip(".")

    def get_override_parameters(self) -> list[Any]:
        parameters: list[Any] = list(super().get_override_parameters())
        if self.method == "GET":
            query_class = getattr(self.view, "query_class", Query)
            if query_class().fields:
                parameters.append(query_class)
        if self._is_idempotent():
            parameters.append(IDEMPOTENCY_KEY)
        if self._is_tagged():
            parameters.append(IF_NONE_MATCH if self.method == "GET" else IF_MATCH)
        return parameters

    def get_auth(self) -> list[Any]:
        """Any of the credentials, or none; of what is not for visitors, none of theirs."""
        auth: list[Any] = super().get_auth()
        if OF_VISITORS.isdisjoint(needed(self.view, self.method)):
            return [one for one in auth if "visitorToken" not in one]
        return [*auth, {}]

    def _get_format_parameters(self) -> list[Any]:
        return []  # what the client accepts decides, unless a view's own query says otherwise

    def _get_pagination_parameters(self) -> list[Any]:
        return []  # of the view's own query

    def _map_serializer(
        self, serializer: Any, direction: Any, bypass_extensions: bool = False
    ) -> Any:
        schema = super()._map_serializer(serializer, direction, bypass_extensions)
        if isinstance(serializer, Closed):
            schema["additionalProperties"] = False
        return schema

    def _get_response_for_code(
        self,
        serializer: Any,
        status_code: Any,
        media_types: Any = None,
        direction: Any = "response",
    ) -> Any:
        if serializer is ProblemSerializer:
            media_types = [CONTENT_TYPE]
        return super()._get_response_for_code(serializer, status_code, media_types, direction)

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(direction)
        for code in self._problems():
            if code not in responses:
                responses[code] = self._get_response_for_code(ProblemSerializer, code)
        if self._is_tagged() and self.method == "GET":
            responses["304"] = {"description": "It has not changed."}
        for code, response in responses.items():
            response["description"] = response.get("description") or WHY.get(code, "")
            names = self._headers(code)
            told = {name: {"$ref": f"#/components/headers/{key}"} for name, key in names.items()}
            response["headers"] = {**response.get("headers", {}), **told}
        return dict(sorted(responses.items()))

    def _problems(self) -> Iterable[str]:
        yield from EVERYWHERE
        if self.method in ("POST", "PUT", "PATCH"):
            yield from WITH_A_BODY
        if self._is_idempotent():
            yield from ("409", "422")
        if self._is_tagged() and self.method != "GET":
            yield "412"

    def _headers(self, code: str) -> dict[str, str]:
        names = {"X-Request-ID": "RequestId"}
        if code in LATER:
            names["Retry-After"] = "RetryAfter"
        if self._is_tagged() and code in ("200", "304"):
            names["ETag"] = "ETag"
        if self._is_idempotent() and code.startswith("2"):
            names["Idempotency-Replayed"] = "Replayed"
        return names

    def _is_tagged(self) -> bool:
        return isinstance(self.view, Tagged) and self.method in ("GET", "PATCH", "DELETE")

    def _is_idempotent(self) -> bool:
        handler = getattr(self.view, self.method.lower(), None)
        return getattr(handler, "is_idempotent", False)


def complete(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """What no view of DRF's tells: the headers, and the addresses of probes."""
    result["components"]["headers"] = HEADERS
    result["paths"] = dict(sorted((result["paths"] | PROBES).items()))
    return result


def probe(name: str, summary: str, **failing: Any) -> dict[str, Any]:
    def told(description: str) -> dict[str, Any]:
        return {
            "description": description,
            "content": {"application/json": {"schema": HEALTH}},
            "headers": {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}},
        }

    responses = {"200": told("It is well."), **{code: told(why) for code, why in failing.items()}}
    return {
        "get": {
            "operationId": f"health_{name}",
            "summary": summary,
            "tags": ["health"],
            "security": [{}],
            "responses": responses,
        }
    }


HEALTH = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"type": "string", "enum": ["ok", "unavailable"]},
        "problems": {"type": "array", "items": {"type": "string"}},
    },
}
PROBES = {
    "/api/v1/health/live/": probe("live", "Whether the process runs"),
    "/api/v1/health/ready/": probe(
        "ready", "Whether it can answer questions", **{"503": "A part of it is away."}
    ),
}
