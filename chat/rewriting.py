"""A follow-up becomes a query that stands alone."""

from collections.abc import Sequence

from chat.leaning import leans
from chat.llm.base import PromptMessage

EARLIER_CHARS = 400  # of a question that is carried along
CHAIN = 3  # questions in a row, each leaning on the one before


def condense(question: str, history: Sequence[PromptMessage], language: str = "en") -> str:
    """The query to search for: the question alone, or with the questions that it leans on."""
    earlier = [message.content for message in history if message.role == "user"]
    query = [question]
    while earlier and len(query) <= CHAIN and leans(query[0], language):
        query.insert(0, earlier.pop()[:EARLIER_CHARS])
    return " ".join(query)
