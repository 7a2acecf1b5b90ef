"""The production shape on one machine: Cohere, Qdrant and two servers of models, over sockets."""

import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self

from tests.standins import CohereStandIn, OpenRouterStandIn, StandIn
from tests.standins.cohere import EMBED, RERANK
from tests.standins.openrouter import CHAT

FIRST_GROUP = ["vendor/primary", "vendor/second", "vendor/third"]
OTHER_MODEL = "local/writer"


class Production:
    """A context manager; `settings()` points the application to what runs.

    `server` makes each of the two servers of models.
    """

    def __init__(self, server: Callable[..., OpenRouterStandIn] = OpenRouterStandIn) -> None:
        from tests.standins.qdrant import QdrantStandIn  # only where the engine can be had

        self.cohere, self.qdrant = CohereStandIn(), QdrantStandIn()
        self.openrouter = server()
        self.other = server(api_key="sk-other-test")  # it speaks OpenAI's language
        self.other.known = {OTHER_MODEL}
        for models in (self.openrouter, self.other):
            models.answer = cite_the_lamp

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for standin in self.standins:
                stack.enter_context(standin)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def standins(self) -> tuple[StandIn, ...]:
        return self.cohere, self.qdrant, self.openrouter, self.other

    def settings(self) -> dict[str, Any]:
        """Both servers of models; either is left out by emptying its key and address."""
        return {
            "COHERE_API_KEY": self.cohere.api_key,
            "COHERE_BASE_URL": self.cohere.url,
            "COHERE_EMBED_DIMENSION": 256,
            "RERANK_DEADLINE_MS": 10_000,  # a busy machine must not look like a dead service
            "QDRANT_URL": self.qdrant.url,
            "QDRANT_API_KEY": self.qdrant.api_key,
            "QDRANT_TIMEOUT": 10,
            "QDRANT_SEARCH_DEADLINE_MS": 10_000,
            "OPENROUTER_API_KEY": self.openrouter.api_key,
            "OPENROUTER_BASE_URL": self.openrouter.url,
            "OPENROUTER_MODELS": FIRST_GROUP,
            "OPENAI_API_KEY": self.other.api_key,
            "OPENAI_BASE_URL": self.other.url,
            "OPENAI_MODEL": OTHER_MODEL,
        }

    def calm(self) -> None:
        """Nothing fails any more, and no request was seen."""
        self.qdrant.faults.replace([])
        for standin in self.standins:
            standin.calm()

    def calls(self) -> dict[str, int]:
        """That were made since then, by what they were for."""
        searches = [one for one in self.qdrant.requests if "/points/query" in one.path]
        return {
            "embed": len(self.cohere.requests_to(EMBED)),
            "search": len(searches),
            "rerank": len(self.cohere.requests_to(RERANK)),
            "openrouter": len(self.openrouter.requests_to(CHAT)),
            "other": len(self.other.requests_to(CHAT)),
        }


def rebuild() -> None:
    """Settings have changed."""
    import chat.providers
    import documents.providers

    documents.providers.reset()
    chat.providers.reset()


def marker_of(body: dict[str, Any], words: str) -> str:
    """Of the passage in a prompt that holds these words."""
    prompt = body["messages"][0]["content"]
    passages = re.findall(r"<<< passage \[(\w+)\] from: [^\n]+\n(.*?)>>> end", prompt, re.DOTALL)
    return next((marker for marker, text in passages if words in text), "zzz")


def cite_the_lamp(body: dict[str, Any]) -> str:
    """As a well-behaved model would: the marker of the passage that holds the answer."""
    return f"The lamp turns once in twelve seconds [{marker_of(body, 'twelve seconds')}]."
