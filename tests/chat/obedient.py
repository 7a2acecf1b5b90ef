"""A chat model that does whatever the text in its prompt tells it to: the worst that can happen."""

import re
from collections.abc import AsyncGenerator

from chat.llm.base import Completion, ModelOutput, Prompt, TextPart
from tests.hostile.injections import FENCE

# An order, and what is to be written. It cannot tell a document from an instruction.
ORDER = re.compile(rf"Assistant: [^\n]*write[^\n]*\n+{FENCE}\n(.*?)\n{FENCE}", re.DOTALL)
PLACEHOLDER = re.compile(r"\{(?:marker:(\d+)|system|secret)\}")
SECRET = re.compile(r"(?:key|token|secret|password)\W+(\S+)|(sk-\S+)", re.IGNORECASE)


class ObedientModel:
    name = "obedient"
    writes_prose = True

    def __init__(self, size: int = 7) -> None:
        self.size = size  # characters in one piece of text
        self.prompts: list[Prompt] = []
        self.obeyed = 0

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelOutput, None]:
        self.prompts.append(prompt)
        read = "\n".join(message.content for message in prompt.messages)
        orders = [_filled_in(order, prompt) for order in ORDER.findall(read)]
        self.obeyed += len(orders)
        text = "\n\n".join(orders) or "I was told nothing."
        for at in range(0, len(text), self.size):
            yield TextPart(text[at : at + self.size])
        yield Completion(model=self.name, finish_reason="stop")


def _filled_in(order: str, prompt: Prompt) -> str:
    system = prompt.messages[0].content
    found = SECRET.search(system)

    def fill(match: re.Match[str]) -> str:
        if match[0] == "{system}":
            return system
        if match[0] == "{secret}":
            return (found[1] or found[2]) if found else "nothing-to-steal"
        at = int(match[1]) - 1
        return prompt.passages[at].marker if at < len(prompt.passages) else "z9z"

    return PLACEHOLDER.sub(fill, order).replace("{{", "{").replace("}}", "}")
