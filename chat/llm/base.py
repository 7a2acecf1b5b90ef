"""What a chat model is: a prompt in, a stream of text out, and one completion at its end."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, Protocol

from documents.passages import Passage


@dataclass(frozen=True)
class Attempt:
    """A model that could not answer; `error` is the code of its ChatModelError."""

    model: str
    error: str
    milliseconds: float
    called: bool = True  # False: it was left alone, because it keeps failing or its budget is spent


class ChatModelError(Exception):
    """The model could not start or finish its reply. The message names no secret and no text.

    `code` is stable: unavailable, rate_limited, rejected (our request is wrong: key, model name,
    credit), refused (moderation), incomplete (the stream ended early), overlong, timeout.
    `reach`: what would fail in the same way: this "model", the provider's "free" models, or all of
    the "provider". `called`: False if nothing was sent.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "unavailable",
        retry_after: float | None = None,
        reach: Literal["model", "free", "provider"] = "model",
        called: bool = True,
    ):
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after  # seconds
        self.reach, self.called = reach, called
        self.attempts: tuple[Attempt, ...] = ()  # where several models were tried


@dataclass(frozen=True)
class PromptMessage:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class MarkedPassage:
    """A passage and the marker, opaque to the model, that stands for it in this one prompt."""

    marker: str  # without brackets: "k7f" is cited as "[k7f]"
    passage: Passage


@dataclass(frozen=True)
class Prompt:
    """The whole message list, and what it was made of for models that need no prose."""

    messages: tuple[PromptMessage, ...]
    question: str
    passages: tuple[MarkedPassage, ...]
    max_calls: int = 3  # of providers, that may be made to answer it
    max_tokens: int | None = None  # of the reply; None: as the model is configured


@dataclass(frozen=True)
class TextPart:
    text: str


@dataclass(frozen=True)
class Restarted:
    """The model died in mid-sentence: forget its text, another one begins anew."""

    reason: str  # the code of its ChatModelError


@dataclass(frozen=True)
class Completion:
    """The last thing a stream yields: proof that the provider said it was finished."""

    model: str  # the one that served
    finish_reason: str  # "stop", "length"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None  # US dollars
    failed: tuple[Attempt, ...] = ()  # models that were tried before


ModelOutput = TextPart | Restarted | Completion


class ChatModel(Protocol):
    name: str
    writes_prose: bool  # False: quotes passages word for word instead of phrasing an answer

    def stream(self, prompt: Prompt) -> AsyncGenerator[ModelOutput, None]:
        """TextParts, then exactly one Completion; raises ChatModelError instead of it.

        Who tries several models says Restarted after the text of one that died, and only then.
        """
        ...
