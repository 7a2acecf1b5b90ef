"""A follow-up becomes a query that stands alone: by rules, or by a model where one writes prose."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass

from chat.languages import naming
from chat.leaning import leans
from chat.llm.base import (
    ChatModel,
    ChatModelError,
    Prompt,
    PromptMessage,
    Restarted,
    TextPart,
)
from chat.prompting import instructions
from chat.questions import InvalidQuestion, clean_question
from chat.words import content_words

logger = logging.getLogger(__name__)

EARLIER_CHARS = 400  # of a question that is carried along
CHAIN = 3  # questions in a row, each leaning on the one before
SHOWN_MESSAGES, SHOWN_CHARS = 4, 800  # what a model gets to see of the conversation
MAX_TOKENS, MAX_CHARS = 80, 300  # of what it replies
SPEAKERS = {"user": "reader", "assistant": "assistant", "system": "system"}
QUOTATION_MARKS = " \t\"'`“”„«»"


@dataclass(frozen=True)
class Rewritten:
    """The query, and how it was made: "" (the question itself), rules, model, selection, page."""

    query: str
    method: str = ""
    calls: int = 0  # upstream calls that it took, whatever came of them
    error: str = ""  # why a model was asked in vain

    @property
    def trace(self) -> dict[str, str | int]:
        made: dict[str, str | int] = {
            "method": self.method,
            "calls": self.calls,
            "error": self.error,
        }
        return {name: value for name, value in made.items() if value}

    @property
    def follows_up(self) -> bool:
        return self.method in ("rules", "model")


async def rewrite(
    question: str,
    history: Sequence[PromptMessage],
    model: ChatModel,
    *,
    language: str = "en",
    deadline: float,
    selected: str = "",
    page: str = "",
) -> Rewritten:
    """What the question leans on, if it does: a selected text before the talk, the talk before the
    title of the page that its reader is on.

    A model is asked only about the talk; if it fails, the rules stand. `deadline` in seconds; 0: no
    model is asked.
    """
    if not leans(question, language):
        return Rewritten(question)
    if selected:
        return Rewritten(_with(question, [selected], language), "selection")
    if not history:
        how = "page" if page else ""
        return Rewritten(_with(question, [page], language), how)
    by_rules = condense(question, history, language)
    if not model.writes_prose or deadline <= 0:
        return Rewritten(by_rules, "rules")
    try:
        async with asyncio.timeout(deadline):
            said = await _ask(model, _prompt(question, history))
        return Rewritten(_checked(said, question, history, language), "model", calls=1)
    except ChatModelError as error:
        code, calls = error.code, int(error.called)
    except TimeoutError:
        code, calls = "timeout", 1
    except InvalidQuestion:
        code, calls = "unusable", 1
    logger.warning("A follow-up was condensed by rules: %s", code)
    return Rewritten(by_rules, "rules", calls=calls, error=code)


def condense(question: str, history: Sequence[PromptMessage], language: str = "en") -> str:
    """The question, and in brackets what the questions that it leans on name.

    Not the questions whole: what else they ask would weigh as much as what is asked now.
    """
    earlier = [message.content for message in history if message.role == "user"]
    chain = [question]
    while earlier and len(chain) <= CHAIN and leans(chain[-1], language):
        chain.append(earlier.pop())
    return _with(question, chain[:0:-1], language)


def _with(question: str, subjects: Sequence[str], language: str) -> str:
    """The question, and in brackets what it is about: names alone."""
    named = " ".join(naming(subject[:EARLIER_CHARS], language) for subject in subjects).strip()
    return f"{question} ({named})" if named else question


def _prompt(question: str, history: Sequence[PromptMessage]) -> Prompt:
    # One message of the reader's: as messages of its own, a model would go on with the talk.
    said = [
        f"<<< {SPEAKERS[message.role]}\n{message.content[:SHOWN_CHARS]}"
        for message in history[-SHOWN_MESSAGES:]
    ]
    conversation = "\n".join(["Conversation:", *said, f">>> Last question: {question}"])
    messages = (
        PromptMessage("system", instructions("condense")),
        PromptMessage("user", conversation),
    )
    return Prompt(messages, question, passages=(), max_tokens=MAX_TOKENS, max_calls=1)


async def _ask(model: ChatModel, prompt: Prompt) -> str:
    said = ""
    async with aclosing(model.stream(prompt)) as outputs:
        async for output in outputs:
            if isinstance(output, Restarted):
                said = ""
            said += output.text if isinstance(output, TextPart) else ""
            if len(said) > 2 * MAX_CHARS:
                break  # whatever comes after, it is no query
    return said


def _checked(said: str, question: str, history: Sequence[PromptMessage], language: str) -> str:
    """One line, made of what was talked about; raises InvalidQuestion.

    The conversation may quote a document that tells the model what to search for.
    """
    lines = [line for line in said.splitlines() if line.strip()]
    if len(lines) != 1:
        raise InvalidQuestion("question_empty", "The model did not reply with one line.")
    query = clean_question(lines[0].strip(QUOTATION_MARKS), max_chars=MAX_CHARS)
    talk = " ".join([question, *(message.content for message in history)])
    shared = content_words(query, language) & content_words(talk, language)
    if not any(word.isalpha() for word in shared):  # the 1 of a [1] is none
        raise InvalidQuestion("question_empty", "The query has nothing of the conversation.")
    return query
