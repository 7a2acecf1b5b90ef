"""Events of a turn become OpenAI's objects: one completion, or chunks of it as the text grows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import time
from typing import Any

from chat.completions.asked import Asked
from chat.completions.footnotes import Footnotes
from chat.completions.grounding import Absolute, citations_of, grounding_of
from chat.events import Delta, Done, Event, Restart, Start
from chat.markdown import open_fence
from documents.tokens import estimate_tokens

# What a reader is told who has read the beginning already: no client can take it back.
STARTS_OVER = {
    "copied": "Once more, in other words:",
    "refused": "The answer broke off:",
    "model_failed": "The answer broke off; here it is from its beginning:",
}


@dataclass
class Reply:
    """One answer, on its way out."""

    asked: Asked
    absolute: Absolute
    created: int = field(default_factory=lambda: int(time()))
    id: str = ""
    text: str = ""  # since the last restart
    restarts: list[str] = field(default_factory=list)
    footnotes: Footnotes | None = None

    def __post_init__(self) -> None:
        self.footnotes = Footnotes() if self.asked.footnotes else None

    def chunks(self, event: Event) -> Iterator[dict[str, Any]]:
        """What one event comes to; most come to nothing."""
        match event:
            case Start():
                self.id = completion_id(event.message_id)
                yield self._chunk({"role": "assistant", "content": ""})
            case Delta():
                self.text += event.text
                shown = self.footnotes.shown(event.text) if self.footnotes else event.text
                yield self._chunk({"content": shown})
            case Restart():
                yield self._chunk({"content": self._begin_anew(event.reason)})
            case Done():
                yield from self._end(event)

    def _begin_anew(self, reason: str) -> str:
        """What stands between an answer that does not count and the one that does."""
        fence = open_fence(self.text)
        end_of_code = f"\n{fence}" if fence else ""
        self.restarts.append(reason)
        self.text = ""
        if self.footnotes:
            self.footnotes.begin_anew()
        notice = STARTS_OVER.get(reason, STARTS_OVER["model_failed"])
        return f"{end_of_code}\n\n---\n\n*{notice}*\n\n"

    def completion(self, done: Done) -> dict[str, Any]:
        """The whole answer at once: nobody has seen what was taken back."""
        text = done.text
        if self.asked.footnotes:
            notes = Footnotes()
            text = notes.shown(text) + notes.definitions(citations_of(done, self.absolute))
        message = {
            "role": "assistant",
            "content": text,
            "refusal": None,
            "grounding": self.grounding(done),
        }
        choice = {
            "index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(done)
        }  # fmt: skip
        self.id = completion_id(done.message_id)
        usage = usage_of(done, self.asked)
        return {**self._head("chat.completion"), "choices": [choice], "usage": usage}

    def grounding(self, done: Done) -> dict[str, Any]:
        """What OpenAI's form has no place for."""
        told = {
            **grounding_of(done, self.absolute),
            "usage_estimated": not done.usage.get("prompt_tokens"),
        }
        return {**told, "restarted": self.restarts, "text": done.text} if self.restarts else told

    def _end(self, done: Done) -> Iterator[dict[str, Any]]:
        if self.footnotes and (
            notes := self.footnotes.definitions(citations_of(done, self.absolute))
        ):
            yield self._chunk({"content": notes})
        yield self._chunk({"grounding": self.grounding(done)}, finish_reason(done))
        if self.asked.with_usage:
            usage = usage_of(done, self.asked)
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": usage}

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = {**self._head("chat.completion.chunk"), "choices": [choice]}
        return {**chunk, "usage": None} if self.asked.with_usage else chunk

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.asked.named}


def completion_id(message_id: str) -> str:
    return f"chatcmpl-{message_id}"


def finish_reason(done: Done) -> str:
    if done.outcome == "refused":
        return "content_filter"
    whole = done.status == "complete" and done.usage.get("finish_reason") != "length"
    return "stop" if whole else "length"


def usage_of(done: Done, asked: Asked) -> dict[str, int]:
    """What the models counted; where no model did, an estimate of what was sent and shown."""
    prompt = done.usage.get("prompt_tokens") or estimated(asked)
    completion = done.usage.get("completion_tokens") or estimate_tokens(done.text)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def estimated(asked: Asked) -> int:
    told: Sequence[str] = [*(message.content for message in asked.earlier), asked.question]
    return sum(map(estimate_tokens, told))


def model_object(slug: str, created: int, name: str) -> dict[str, Any]:
    return {"id": slug, "object": "model", "created": created, "owned_by": "ragsite", "name": name}
