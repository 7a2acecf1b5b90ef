"""Cohere Embed: documents in batches with patience, a query once and quickly."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import cohere
import httpx
import numpy as np
from cohere.core.api_error import ApiError

from documents.embedding.base import EmbeddingError, EmbeddingSpace, Matrix, Vector
from documents.embedding.pacing import Pace
from documents.event_loops import per_event_loop
from documents.upstream.attempts import Attempt, attempt
from documents.upstream.breaker import Breaker, CircuitOpen
from documents.upstream.cohere import OURS, asked_to_wait, billed, is_monthly, reason_of, rest_after
from documents.upstream.http import async_client, sync_client
from documents.upstream.metering import BudgetExhausted, Meter, Unmetered

BATCH_SIZE = 96  # Cohere's limit
# Seconds: for each wait, and for the whole of a call.
DOCUMENTS_TIMEOUT, DOCUMENTS_TOTAL = 60.0, 90.0
# Waits before the second and the third attempt. Rate limits count by the minute.
WAITS = (1.0, 2.0)
RATE_LIMIT_WAITS = (20.0, 40.0)
LONGEST_WAIT = 60.0


class CohereEmbedder:
    """The SDK is told not to retry: it cannot tell a limit of this minute from one of this month.

    `async_client` returns the client of the running event loop.
    """

    languages: ClassVar[frozenset[str] | None] = None

    def __init__(
        self,
        client: cohere.ClientV2,
        async_client: Callable[[], cohere.AsyncClientV2],
        model: str,
        dimension: int,
        pace: Pace | None = None,
        *,
        query_timeout: float = 2.0,
        breaker: Breaker | None = None,
        meter: Meter | None = None,
    ):
        self.query_timeout = query_timeout  # seconds, connecting included
        self.client, self.async_client = client, async_client
        self.model, self.pace = model, pace or Pace("cohere")
        self.breaker = breaker or Breaker.alone("cohere/embed", now=self.pace.now)
        self.meter = meter or Unmetered()
        self.space = EmbeddingSpace("cohere", model, dimension)

    @classmethod
    def connect(
        cls,
        *,
        api_key: str,
        base_url: str,
        model: str,
        dimension: int,
        query_timeout: float,
        pace: Pace | None = None,
        breaker: Breaker | None = None,
        meter: Meter | None = None,
    ) -> "CohereEmbedder":
        options: dict[str, Any] = {"api_key": api_key, "base_url": base_url, "max_retries": 0}
        documents = sync_client(read=DOCUMENTS_TIMEOUT, total=DOCUMENTS_TOTAL)
        return cls(
            cohere.ClientV2(**options, httpx_client=documents),
            per_event_loop(
                lambda: cohere.AsyncClientV2(
                    **options,
                    httpx_client=async_client(read=query_timeout, total=query_timeout),
                )
            ),
            model,
            dimension,
            pace,
            query_timeout=query_timeout,
            breaker=breaker,
            meter=meter,
        )

    def embed_documents(self, texts: Sequence[str]) -> Matrix:
        batches = [texts[start : start + BATCH_SIZE] for start in range(0, len(texts), BATCH_SIZE)]
        if not batches:
            return np.empty((0, self.space.dimension), np.float32)
        return np.concatenate([self._embed_batch(batch) for batch in batches])

    async def embed_query(self, text: str) -> Vector:
        deadline = asyncio.get_running_loop().time() + self.query_timeout
        with self._refusals():
            try:
                async with asyncio.timeout_at(deadline):
                    await self.meter.admit_soon("embed", model=self.model, inputs=1)
            except TimeoutError as error:
                raise EmbeddingError("What is left of a budget was not known in time.") from error
        with self._attempt() as made, self._vendor_errors(made, patient=False):
            async with asyncio.timeout_at(deadline):
                response = await self.async_client().embed(**self._request([text], "search_query"))
            made.spent = billed(response, inputs=1)
            return self._vectors(response, 1)[0]

    def _embed_batch(self, texts: Sequence[str]) -> Matrix:
        """Never before the provider said it may, and not for ever: a run has more patience."""
        for tried in range(len(WAITS) + 1):
            self._wait_for_a_turn(len(texts))
            try:
                with self._attempt() as made, self._vendor_errors(made, patient=True):
                    response = self.client.embed(**self._request(texts, "search_document"))
                    made.spent = billed(response, inputs=len(texts))
                    return self._vectors(response, len(texts))
            except EmbeddingError as error:
                if not error.retryable:
                    raise
                wait = wait_before_retry(error.__cause__, tried)
                self.pace.slow_down(wait)  # also whoever comes after us
                if tried == len(WAITS) or wait > LONGEST_WAIT:
                    error.retry_after = wait
                    raise
        raise AssertionError("unreachable")

    def _wait_for_a_turn(self, texts: int) -> None:
        """Waits as long as the provider, its circuit or a limit a minute asks; raises what asks for
        longer than that."""
        while True:
            if (left := self.pace.left()) > LONGEST_WAIT:
                message = f"Cohere asked to wait for another {left:.0f} seconds."
                raise EmbeddingError(message, retry_after=left)
            self.pace.wait()
            try:
                with self._refusals():
                    self.meter.admit("embed", model=self.model, inputs=texts)
            except EmbeddingError as error:
                if error.retry_after is None or error.retry_after > LONGEST_WAIT:
                    raise
                self.pace.slow_down(error.retry_after)
            else:
                return

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """The circuit is asked first: what it refuses takes nothing of a budget."""
        try:
            self.breaker.check()
        except CircuitOpen as refused:
            message = f"Cohere keeps failing and is left alone for {refused.retry_after:.0f} s."
            raise EmbeddingError(message, retry_after=refused.retry_after) from refused
        try:
            yield
        except BudgetExhausted as refused:
            soon = refused.retry_after is not None and refused.retry_after <= LONGEST_WAIT
            self.breaker.gave_up()
            raise EmbeddingError(
                str(refused), retryable=soon, retry_after=refused.retry_after
            ) from refused
        except BaseException:
            self.breaker.gave_up()
            raise

    def _attempt(self) -> Any:
        return attempt(self.breaker, self.meter, "embed", self.model)

    def _request(self, texts: Sequence[str], input_type: str) -> dict[str, Any]:
        request = {
            "model": self.model,
            # One empty text would make Cohere refuse the whole batch.
            "texts": [text if text.strip() else "." for text in texts],
            "input_type": input_type,
            "embedding_types": ["float"],
            "output_dimension": self.space.dimension,
            "truncate": "END",
        }
        if "-v3" in self.model:  # of one size only, and the parameter is refused
            del request["output_dimension"]
        return request

    def _vectors(self, response: cohere.EmbedByTypeResponse, count: int) -> Matrix:
        """The SDK accepts anything that is JSON, so all of it is checked here."""
        shape = (count, self.space.dimension)
        try:
            vectors = np.asarray(response.embeddings.float_, np.float32)
        except (AttributeError, TypeError, ValueError) as error:
            raise EmbeddingError("Cohere's answer holds no vectors.") from error
        if vectors.shape != shape:
            raise EmbeddingError(
                f"Cohere answered with vectors of shape {vectors.shape} instead of {shape}. "
                "Check COHERE_EMBED_DIMENSION if it happens every time."
            )
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not np.isfinite(norms).all() or not norms.all():
            raise EmbeddingError("Cohere's answer holds vectors that are not numbers, or zero.")
        unit: Matrix = vectors / norms
        return unit

    @contextmanager
    def _vendor_errors(self, made: Attempt, *, patient: bool) -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            message, retryable = explained(error, self.model)
            # Documents keep their pace when there were too many, and readers go on asking.
            made.ours = error.status_code in OURS or (
                patient and error.status_code == 429 and retryable
            )
            made.rest = rest_after(error)
            if is_monthly(error):
                self.meter.used_up("embed", model=self.model)
            raise EmbeddingError(message, retryable=retryable) from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise EmbeddingError(f"Cohere did not answer ({type(error).__name__}).") from error
        except (TypeError, ValueError, AttributeError) as error:
            # A 200 with JSON of another shape: the SDK trips over it itself.
            raise EmbeddingError("Cohere answered in a form that is not its own.") from error


def explained(error: ApiError, model: str) -> tuple[str, bool]:
    """What an operator can do about it, and whether waiting helps."""
    status, reason = error.status_code, reason_of(error)
    match status:
        case 401 | 403 | 498:
            return f"Cohere refused the API key ({status}). Check COHERE_API_KEY.", False
        case 402:
            return "Cohere's billing limit is reached (402).", False
        case 404:
            return f"Cohere does not know the model {model}. Check COHERE_EMBED_MODEL.", False
        case 429 if is_monthly(error):
            return "This month's calls of the Cohere trial key are used up (429).", False
        case 429:
            return "Cohere's rate limit is reached (429).", True
        case 400 | 422 | 501:
            return f"Cohere refused the request ({status}): {reason}", False
        case 200:
            return "Cohere's answer could not be read.", True
    return f"Cohere failed ({status}).", True


def wait_before_retry(cause: BaseException | None, attempt: int) -> float:
    """Seconds; as the provider said, or as long as such a trouble usually lasts."""
    told = asked_to_wait(cause) if isinstance(cause, ApiError) else None
    limited = isinstance(cause, ApiError) and cause.status_code == 429
    waits = RATE_LIMIT_WAITS if limited else WAITS
    return told or waits[min(attempt, len(waits) - 1)]
