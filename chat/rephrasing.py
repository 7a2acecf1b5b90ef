"""An answer that repeats its sources word for word is put into other words, once.

Nothing of the second answer is shown before it is whole and found better: then a Restart event
says that a new answer follows in place of what was read. Otherwise nobody hears of it.
"""

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from chat.answer_stream import AnswerStream
from chat.claims import CheckedClaim, Verdict
from chat.copying import CopiedRun
from chat.events import Cited
from chat.grounding.tokens import CODE
from chat.llm.base import ChatModel, ChatModelError, Completion, Prompt, Restarted
from chat.prompting import build_rewrite

logger = logging.getLogger(__name__)

SECONDS = 30.0  # the reader has an answer already, and waits for its end
NUMBER = re.compile(r"\[(\d{1,3})\](?!\()")


@dataclass
class Answer:
    """A text with what it cites, and what was found out about it."""

    text: str
    cited: Sequence[Cited]
    claims: Sequence[CheckedClaim] = ()
    copied: Sequence[CopiedRun] = ()

    @property
    def copied_words(self) -> int:
        return sum(run.words for run in self.copied)

    def count(self, verdict: Verdict) -> int:
        return sum(claim.verdict is verdict for claim in self.claims)

    def is_better_than(self, other: "Answer") -> bool:
        """Copies less, and says as much that is borne out, and no more that is not."""
        return (
            bool(self.text.strip())
            and self.copied_words < other.copied_words
            and self.count(Verdict.UNSUPPORTED) <= other.count(Verdict.UNSUPPORTED)
            and self.count(Verdict.SUPPORTED) >= min(1, other.count(Verdict.SUPPORTED))
        )


@dataclass
class Second:
    """The second answer in the parts in which it is shown, and the call that it took."""

    parts: list[str | Cited] = field(default_factory=list)
    completion: Completion | None = None
    failed: str = ""  # why there is none
    counts: Mapping[str, Any] = field(default_factory=dict)  # what was dropped

    @property
    def answer(self) -> Answer:
        text = "".join(part for part in self.parts if isinstance(part, str))
        return Answer(text, [part for part in self.parts if isinstance(part, Cited)])


async def second_answer(model: ChatModel, prompt: Prompt, first: Answer, *, notice: str) -> Second:
    """One more call. Never raises for a model."""
    asked = build_rewrite(
        prompt,
        _with_markers(first, prompt),
        [first.text[run.start : run.end] for run in first.copied],
    )
    second, stream = Second(), AnswerStream(prompt.passages, notice)
    try:
        async with asyncio.timeout(SECONDS), aclosing(model.stream(asked)) as outputs:
            async for output in outputs:
                if isinstance(output, Completion):
                    second.completion = output
                    second.parts += stream.finish()
                elif isinstance(output, Restarted):
                    second.parts, stream = [], AnswerStream(prompt.passages, notice)
                else:
                    second.parts += stream.feed(output.text)
    except (ChatModelError, TimeoutError) as error:
        second.failed = getattr(error, "code", "timeout")
        logger.warning("An answer was not put into other words (%s)", second.failed)
    second.counts = stream.counts
    if not second.failed and second.completion and second.completion.finish_reason != "stop":
        second.failed = second.completion.finish_reason
    return second


def _with_markers(first: Answer, prompt: Prompt) -> str:
    """The text as the model wrote it: our numbers are its markers again, but not inside code."""
    markers = {str(marked.passage.chunk_id): marked.marker for marked in prompt.passages}
    known = {str(cited.number): markers[cited.chunk_id] for cited in first.cited}
    parts, position = [], 0
    for code in [*CODE.finditer(first.text), None]:
        end = code.start() if code else len(first.text)
        prose = first.text[position:end]
        parts.append(NUMBER.sub(lambda m: f"[{known[m[1]]}]" if m[1] in known else m[0], prose))
        if code:
            parts.append(code[0])
            position = code.end()
    return "".join(parts)
