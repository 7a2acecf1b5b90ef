"""An OpenAI-compatible reply put together event by event: text to show, and proof of its end."""

from dataclasses import dataclass, field
from typing import Any

from chat.llm.base import ChatModelError, Completion
from chat.llm.upstream_errors import MID_STREAM, upstream_error
from documents.upstream.metering import DEAREST

# What is more, or no number at all, is nonsense that no column could keep.
MOST_TOKENS, LONGEST_NAME = 10**9, 200
HIDDEN = ("reasoning", "reasoning_details", "reasoning_content")  # thinking, never shown


def sendable(text: str) -> str:
    """Without what no socket and no column can carry: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


@dataclass
class Reply:
    """What has been read of a stream so far."""

    name: str
    model: str
    tokens: int = 0  # events with text, shown or hidden
    started: bool = False
    finish_reason: str | None = None
    blank: bool = True
    refusing: bool = False
    usage: dict[str, Any] = field(default_factory=dict)

    def read(self, payload: dict[str, Any]) -> str:
        """The text to show of one event; raises what it says went wrong."""
        self.started = True
        choices = payload.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else {}
        if not isinstance(choice, dict):
            choice = {}
        reason = choice.get("finish_reason")
        if payload.get("error") or choice.get("error") or reason == "error":
            raise upstream_error(self.name, MID_STREAM, payload)
        if isinstance(payload.get("usage"), dict):
            self.usage = payload["usage"]
        if isinstance(payload.get("model"), str):
            self.model = sendable(payload["model"])[:LONGEST_NAME]
        # OpenRouter's usage event repeats the finished choice: nothing in it is new.
        return "" if self.finish_reason else self._read_choice(choice, reason)

    def _read_choice(self, choice: dict[str, Any], reason: Any) -> str:
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = {}
        text = delta.get("content")
        text = sendable(text) if isinstance(text, str) else ""
        self.refusing = self.refusing or bool(delta.get("refusal"))
        self.tokens += bool(text) or any(delta.get(hidden) for hidden in HIDDEN)
        self.blank = self.blank and not text.strip()
        if isinstance(reason, str) and reason:
            self.finish_reason = reason
        return text

    def completion(self) -> Completion:
        if not self.finish_reason:
            raise ChatModelError(f"{self.name}: the stream just ended", code="incomplete")
        if self.finish_reason == "content_filter" or (self.blank and self.refusing):
            raise ChatModelError(f"{self.name} refused to answer", code="refused")
        prompt_tokens, tokens = (
            value if isinstance(value, int) and 0 <= value < MOST_TOKENS else 0
            for value in (self.usage.get("prompt_tokens"), self.usage.get("completion_tokens"))
        )
        if self.blank:  # never an answer; without tokens it is not even billed
            code = "incomplete" if tokens else "unavailable"
            raise ChatModelError(f"{self.name}: an empty answer", code=code)
        cost = self.usage.get("cost")
        return Completion(
            model=self.model,
            finish_reason="length" if self.finish_reason == "length" else "stop",
            prompt_tokens=prompt_tokens,
            completion_tokens=tokens,
            cost=float(cost) if isinstance(cost, int | float) and 0 <= cost < DEAREST else None,
        )
