"""Cohere's embed and rerank, v2, and models, v1: validation, errors, limits, corrupt successes."""

import base64
import math
import re
import zlib
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import numpy as np

from tests.standins.base import (
    Recorded,
    Reply,
    StandIn,
    json_reply,
    request_id,
    unknown_fields,
)

EMBED, RERANK, MODELS = "/v2/embed", "/v2/rerank", "/v1/models/"
DIMENSIONS = {
    "embed-v4.0": (1536, {256, 512, 1024, 1536}),
    "embed-v5.0-pro": (2048, {256, 512, 768, 1024, 1536, 2048}),
    "embed-v5.0-fast": (2048, {256, 512, 768, 1024, 1536, 2048}),
    "embed-multilingual-v3.0": (1024, set()),
    "embed-english-v3.0": (1024, set()),
}
RERANKERS = {
    "rerank-v3.5", "rerank-v4.0-pro", "rerank-v4.0-fast", "rerank-v5.0-pro", "rerank-v5.0-fast",
}  # fmt: skip
INPUT_TYPES = {"search_document", "search_query", "classification", "clustering", "image"}
TYPES = {"float", "int8", "uint8", "binary", "ubinary", "base64"}
EMBED_FIELDS = (
    "model", "texts", "images", "inputs", "input_type", "embedding_types", "output_dimension",
    "truncate", "max_tokens", "priority",
)  # fmt: skip
RERANK_FIELDS = (
    "model", "query", "documents", "top_n", "max_tokens_per_doc", "relevant_spans", "priority",
)  # fmt: skip


class CohereStandIn(StandIn):
    """`trial` counts calls as a trial key does and answers 429 at its limits."""

    def __init__(self, *, api_key: str = "test-cohere-key", trial: bool = False, port: int = 0):
        super().__init__(port)
        self.api_key, self.trial = api_key, trial
        self.inputs_a_minute, self.reranks_a_minute, self.calls_a_month = 2000, 1000, 10**9
        if trial:
            self.reranks_a_minute, self.calls_a_month = 10, 1000
        self.calls = 0
        self._inputs: list[tuple[float, int]] = []
        self._reranks: list[tuple[float, int]] = []

    def respond(self, request: Recorded) -> Reply:
        reply = self._authorised(request) or self._counted(request) or self._answer(request)
        headers = {"x_debug_trace_id": request_id().replace("-", "")}
        if self.trial:
            left = max(0, self.calls_a_month - self.calls)
            headers |= {
                "x_endpoint_monthly_call_limit": str(self.calls_a_month),
                "x_trial_endpoint_call_limit": str(self.reranks_a_minute),
                "x_trial_endpoint_call_remaining": str(left),
            }
        return reply.with_headers(**headers)

    def _authorised(self, request: Recorded) -> Reply | None:
        given = request.headers.get("authorization", "")
        if not given.lower().startswith("bearer "):
            return error(401, "no api key supplied")
        if given[7:] != self.api_key:
            return error(401, "invalid api token")
        return None

    def _counted(self, request: Recorded) -> Reply | None:
        self.calls += 1
        if self.calls > self.calls_a_month:
            return too_many_requests(monthly=True)
        if request.path.startswith(MODELS):
            return None  # 500 a minute
        if request.path == RERANK:
            window, limit, size = self._reranks, self.reranks_a_minute, 1
        else:
            texts = (request.json or {}).get("texts") or []
            window, limit, size = self._inputs, self.inputs_a_minute, len(texts)
        window.append((request.arrived_at, size))
        recent = sum(n for moment, n in window if moment > request.arrived_at - 60)
        return too_many_requests(limit=limit) if recent > limit else None

    def _answer(self, request: Recorded) -> Reply:
        if request.method == "GET" and request.path.startswith(MODELS):
            return model_card(unquote(request.path.removeprefix(MODELS)))
        body = request.json
        if not isinstance(body, dict):
            return error(400, "invalid request: body is not valid JSON")
        if (request.method, request.path) == ("POST", EMBED):
            return embed_reply(body)
        if (request.method, request.path) == ("POST", RERANK):
            return rerank_reply(body)
        return error(404, "404 page not found")


# --- Errors -----------------------------------------------------------------------------------


def error(status: int, message: str, **headers: str) -> Reply:
    return json_reply({"id": request_id(), "message": message}, status, **headers)


def too_many_requests(
    *, monthly: bool = False, limit: int = 10, retry_after: str | None = None
) -> Reply:
    message = (
        "You are using a Trial key, which is limited to 1000 API calls / month. "
        "You can continue to use the Trial key for free or upgrade to a Production key."
        if monthly
        else f"You are past the per minute rate limit, limited to {limit} API calls / minute. "
        "Please wait and try again later"
    )
    return error(429, message, **({"retry_after": retry_after} if retry_after else {}))


def payment_required() -> Reply:
    return error(402, "billing limit reached, please visit the dashboard to increase it")


def invalid_token() -> Reply:
    return error(498, "invalid token")


# --- Models ---------------------------------------------------------------------------------------


def model_card(model: str) -> Reply:
    if model in DIMENSIONS:
        endpoint, context = "embed", 128_000.0 if "-v3" not in model else 512.0
    elif model in RERANKERS:
        endpoint, context = "rerank", 4096.0
    else:
        return error(404, f"model '{model}' not found, make sure the correct model ID was used")
    card = {"name": model, "is_deprecated": False, "endpoints": [endpoint], "finetuned": False}
    return json_reply({**card, "context_length": context, "default_endpoints": []})


# --- Embed ------------------------------------------------------------------------------------


def _embed_complaint(body: dict[str, Any]) -> Reply | None:
    if extra := unknown_fields(body, EMBED_FIELDS):
        return error(400, f"invalid request: unknown field {extra[0]!r}")
    model = body.get("model")
    if model not in DIMENSIONS:
        return error(404, f"model '{model}' not found, make sure the correct model ID was used")
    if body.get("input_type") not in INPUT_TYPES:
        return error(400, "valid input_type must be provided with the provided model")
    texts = body.get("texts")
    if not isinstance(texts, list) or not texts:
        return error(400, "invalid request: at least one of texts, images or inputs is required")
    if len(texts) > 96:
        return error(
            400,
            f"invalid request: total number of texts must be at most 96 - received {len(texts)}",
        )
    for index, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            return error(400, f"invalid request: texts[{index}] must be a non-empty string")
    if set(body.get("embedding_types") or []) - TYPES:
        return error(400, "invalid request: unknown embedding type")
    allowed = DIMENSIONS[str(model)][1]
    if (dimension := body.get("output_dimension")) is not None and dimension not in allowed:
        return error(400, f"invalid request: output_dimension {dimension} is not supported")
    if body.get("truncate") == "NONE" and any(len(text) > 400_000 for text in texts):
        return error(400, "too many tokens: the text is longer than the model's context")
    return None


def embed_reply(body: dict[str, Any]) -> Reply:
    if complaint := _embed_complaint(body):
        return complaint
    dimension = body.get("output_dimension") or DIMENSIONS[body["model"]][0]
    vectors = [vector(text, dimension, body["input_type"]) for text in body["texts"]]
    kinds = body.get("embedding_types") or ["float"]
    return json_reply(
        {
            "id": request_id(),
            "response_type": "embeddings_by_type",
            "embeddings": {kind: [_as_type(v, kind) for v in vectors] for kind in kinds},
            "texts": body["texts"],
            "meta": {
                "api_version": {"version": "2"},
                "billed_units": {"input_tokens": sum(len(t) // 4 + 1 for t in body["texts"])},
            },
        }
    )


def vector(text: str, dimension: int, input_type: str = "search_document") -> np.ndarray:
    """Unit length; near for texts that share words and pairs of words, whatever the dimension.

    A random direction a gram: a prefix of the whole is as good, as with Matryoshka vectors.
    """
    words = re.findall(r"\w+", text.lower()) or [text]
    grams = words + [" ".join(pair) for pair in pairwise(words)]
    # The same text as a query and as a document: close, not equal.
    whole = sum((_direction(gram) for gram in grams), 0.2 * _direction(f"\0{input_type}"))
    cut = np.asarray(whole[:dimension], np.float64)
    return cut / np.linalg.norm(cut)


@lru_cache(4096)
def _direction(gram: str) -> np.ndarray:
    random = np.random.default_rng(zlib.crc32(gram.encode()))
    return random.standard_normal(2048, dtype=np.float32)


def _as_type(unit: np.ndarray, kind: str) -> Any:
    if kind == "float":
        return [round(float(x), 7) for x in unit]
    if kind == "base64":
        return base64.b64encode(unit.astype("<f4").tobytes()).decode()
    if kind in ("int8", "uint8"):
        scaled = np.clip(np.round(unit / np.abs(unit).max() * 127), -128, 127).astype(int)
        return [int(x) + (128 if kind == "uint8" else 0) for x in scaled]
    packed = np.packbits(unit > 0).astype(int)
    return [int(x) - (128 if kind == "binary" else 0) for x in packed]


# --- Rerank -----------------------------------------------------------------------------------


def rerank_reply(body: dict[str, Any]) -> Reply:
    if extra := unknown_fields(body, RERANK_FIELDS):
        return error(400, f"invalid request: unknown field {extra[0]!r}")
    model, query, documents = body.get("model"), body.get("query"), body.get("documents")
    if model not in RERANKERS:
        return error(404, f"model '{model}' not found, make sure the correct model ID was used")
    if not isinstance(query, str) or not query.strip():
        return error(400, "invalid request: query must not be empty")
    if not isinstance(documents, list) or not documents:
        return error(400, "invalid request: list of documents must not be empty")
    if not all(isinstance(document, str) for document in documents):
        return error(400, "invalid request: documents must be strings")
    if len(documents) > 10_000:
        return error(400, "invalid request: too many documents")
    top_n = body.get("top_n", len(documents))
    if not isinstance(top_n, int) or top_n < 1:
        return error(400, "invalid request: top_n must be greater than 0")
    scores = [overlap(query, document) for document in documents]
    best = sorted(range(len(documents)), key=lambda index: -scores[index])[:top_n]
    results = [{"index": index, "relevance_score": scores[index]} for index in best]
    meta = {
        "api_version": {"version": "2"},
        "billed_units": {"search_units": math.ceil(len(documents) / 100)},
    }
    return json_reply({"id": request_id(), "results": results, "meta": meta})


def overlap(query: str, document: str) -> float:
    """Share of the query's words found in the document, a little less for longer ones."""
    asked = set(re.findall(r"\w+", query.lower()))
    words = re.findall(r"\w+", document.lower())
    share = len(asked & set(words)) / max(1, len(asked))
    return round(min(1.0, share * (0.9 + 0.1 / (1 + len(words) / 100))), 6)
