"""A follow-up becomes a query that stands alone."""

import re
from collections.abc import Sequence

from chat.llm.base import PromptMessage
from chat.words import content_words

# Words by which a question leans on what was said before it.
LEANS_BACK = re.compile(
    r"\b(it|its|that|those|these|they|them|their|former|latter|instead|else)\b"
    r"|^\s*(and|or|but|so|then|(what|how) about)\b",
    re.IGNORECASE,
)


def condense(question: str, history: Sequence[PromptMessage]) -> str:
    """The query to search for: the question alone, or with the question it follows up."""
    earlier = [message.content for message in history if message.role == "user"]
    stands_alone = content_words(question) and not LEANS_BACK.search(question)
    if not earlier or stands_alone:
        return question
    return f"{earlier[-1]} {question}"
