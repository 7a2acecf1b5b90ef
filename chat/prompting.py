"""Passages and history become messages; the wording lives in prompts/*.md."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from string import ascii_lowercase, digits

from chat.llm.base import MarkedPassage, Prompt, PromptMessage
from documents.passages import Passage

PROMPTS = Path(__file__).parent / "prompts"
HISTORY_MESSAGES = 6  # three questions and their answers
HISTORY_CHARS = 1500  # of each


@cache
def instructions(name: str) -> str:
    return (PROMPTS / f"{name}.md").read_text(encoding="utf-8").strip()


@cache
def version(name: str) -> str:
    """Changes with every letter of the wording: answers say which one they were written under."""
    return hashlib.sha256(instructions(name).encode()).hexdigest()[:8]


def mark(passages: Sequence[Passage], seed: str) -> tuple[MarkedPassage, ...]:
    """Give each passage a marker that no passage's text contains.

    Drawn anew for each turn: a document cannot carry a marker that would pass for a citation.
    """
    draw = random.Random(seed)  # noqa: S311 - not a secret, only unpredictable to a document
    marked: list[MarkedPassage] = []
    taken: set[str] = set()
    for passage in passages:
        while True:
            marker = (
                draw.choice(ascii_lowercase) + draw.choice(digits) + draw.choice(ascii_lowercase)
            )
            if marker not in taken and not any(f"[{marker}]" in p.text for p in passages):
                break
        taken.add(marker)
        marked.append(MarkedPassage(marker, passage))
    return tuple(marked)


def build_prompt(
    question: str, passages: Sequence[Passage], history: Sequence[PromptMessage], *, seed: str
) -> Prompt:
    """Assembled from parts: no text from outside is ever used as a template."""
    marked = mark(passages, seed)
    system = "\n\n".join([instructions("answer"), "Passages:", *map(_fenced, marked)])
    recent = [
        PromptMessage(message.role, message.content[:HISTORY_CHARS])
        for message in history[-HISTORY_MESSAGES:]
    ]
    messages = (PromptMessage("system", system), *recent, PromptMessage("user", question))
    return Prompt(messages=messages, question=question, passages=marked)


def build_rewrite(prompt: Prompt, answer: str, copied: Sequence[str]) -> Prompt:
    """What a model is asked that shall put its own answer, with its markers, into other words."""
    fenced = [_fenced(marked) for marked in prompt.passages if f"[{marked.marker}]" in answer]
    system = "\n\n".join([instructions("rewrite"), "Passages:", *fenced])
    close = "\n".join(f"- {text}" for text in copied)
    messages = (
        PromptMessage("system", system),
        PromptMessage("user", prompt.question),
        PromptMessage("assistant", answer),
        PromptMessage("user", f"Too close to the passages:\n{close}\n\nPut it into other words."),
    )
    return replace(prompt, messages=messages, max_calls=1)


def build_judgement(prompt: Prompt, entries: str) -> Prompt:
    """`entries`: sentences with their evidence, as JSON, which no text in it can leave."""
    messages = (PromptMessage("system", instructions("judge")), PromptMessage("user", entries))
    return replace(prompt, messages=messages, max_calls=1)


def _fenced(marked: MarkedPassage) -> str:
    # The closing line names the marker, which the passage's text cannot know.
    passage = marked.passage
    return "\n".join(
        [
            f"<<< {_standing(passage)}passage [{marked.marker}] from: {passage.breadcrumb}",
            passage.text,
            f">>> end of [{marked.marker}]",
        ]
    )


def _standing(passage: Passage) -> str:
    return "RETRACTED " if passage.is_retracted else ""
