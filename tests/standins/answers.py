"""What the stand-in for models writes in a demonstration: the sentence nearest to the question.

It knows nothing but the prompt, whose passages are fenced and marked as chat/prompting.py does it.
"""

import re
from typing import Any

PASSAGE = re.compile(r"<<< passage \[(\w+)\] from: ([^\n]*)\n(.*?)>>> end", re.DOTALL)
SENTENCE = re.compile(r"[^.!?\n]+[.!?](?=\s|$)")
LAST_QUESTION = ">>> Last question: "  # where a follow-up is to be condensed
NOTHING = "[none]"


def answer_from_passages(body: dict[str, Any]) -> str:
    """Quotes, marks what it quotes, and says which page it is from."""
    messages = body["messages"]
    question = messages[-1]["content"]
    if LAST_QUESTION in question:
        return question.rpartition(LAST_QUESTION)[2]
    asked = _words(question)
    best = max(
        (
            (len(asked & _words(f"{source} {sentence}")), marker, source, sentence.strip())
            for marker, source, text in PASSAGE.findall(messages[0]["content"])
            for sentence in SENTENCE.findall(text)
        ),
        default=(0, "", "", ""),
    )
    shared, marker, source, sentence = best
    if not shared:
        return NOTHING
    page = source.split("›")[0].strip()
    return f"The page “{page}” says: “{sentence}” [{marker}]"


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}
