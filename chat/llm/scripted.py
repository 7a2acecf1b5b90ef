"""A chat model that says what a test tells it to: pauses and failures included."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence

from chat.llm.base import Completion, ModelOutput, Prompt, TextPart

PLACEHOLDER = re.compile(r"\{marker:(\d+)\}")

# Text is said, an event is waited for, an error is raised, a completion ends the stream.
Step = str | asyncio.Event | Exception | Completion


class ScriptedModel:
    """Each call plays the next script, the last one again and again.

    "{marker:1}" in a text becomes the marker of the prompt's first passage, and so on.
    """

    writes_prose = True

    def __init__(self, *scripts: Sequence[Step], name: str = "scripted"):
        self.name = name
        self.scripts = scripts or (["Scripted answer [{marker:1}]."],)
        self.prompts: list[Prompt] = []
        self.closed_early = 0  # streams that were left before their end

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelOutput, None]:
        script = self.scripts[min(len(self.prompts), len(self.scripts) - 1)]
        self.prompts.append(prompt)
        words = 0
        try:
            for step in script:
                if isinstance(step, str):
                    words += len(step.split())
                    yield TextPart(_with_markers(step, prompt))
                elif isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
                    return
        except (GeneratorExit, asyncio.CancelledError):
            self.closed_early += 1
            raise
        yield Completion(model=self.name, finish_reason="stop", completion_tokens=words)


def _with_markers(text: str, prompt: Prompt) -> str:
    def marker(found: re.Match[str]) -> str:
        number = int(found[1])
        known = 0 < number <= len(prompt.passages)
        return prompt.passages[number - 1].marker if known else found[0]

    return PLACEHOLDER.sub(marker, text)
