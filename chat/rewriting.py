"""A follow-up becomes a query that stands alone."""

import re
from collections.abc import Sequence

from chat.llm.base import PromptMessage
from chat.words import content_words

# Words by which a question leans on what was said before.
LEANS_BACK = re.compile(
    r"\b(it|its|this|that|these|those|they|them|their|he|she|one|ones|there|same|above|former|"
    r"latter|instead|else|also|too)\b|^\s*(and|or|but|so|then|what about|how about|why|which)\b",
    re.IGNORECASE,
)
FEW_WORDS = 3  # a question with no more words of its own than this leans on the one before


def condense(question: str, history: Sequence[PromptMessage]) -> str:
    """The query to search for: the question alone, or with the question it follows up."""
    earlier = [message.content for message in history if message.role == "user"]
    if not earlier:
        return question
    own = content_words(question)
    if len(own) > FEW_WORDS and not LEANS_BACK.search(question):
        return question
    return f"{earlier[-1]} {question}"
