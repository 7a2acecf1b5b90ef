"""What counts as a question: checked the same way by every transport."""

import re

# Control characters, halves of surrogate pairs, bidirectional overrides, invisible tag characters:
# they carry no meaning a reader could see, but can carry instructions.
INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f\ud800-\udfff]"
)
WORD = re.compile(r"\w")
SELECTION_MAX_CHARS = 4000  # a few sections


class InvalidQuestion(ValueError):
    """`code` is stable: question_empty, question_too_long, selection_empty, selection_too_long."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def clean_question(text: str, *, max_chars: int) -> str:
    """The question without invisible characters; raises InvalidQuestion."""
    if len(text) > max_chars:
        raise InvalidQuestion(
            "question_too_long",
            f"The question has {len(text):,} characters; at most {max_chars:,} are allowed.",
        )
    question = INVISIBLE.sub("", text).strip()
    if not WORD.search(question):
        raise InvalidQuestion("question_empty", "The question has no words in it.")
    return question


def clean_selection(text: str) -> str:
    """The selected text without invisible characters; raises InvalidQuestion."""
    if len(text) > SELECTION_MAX_CHARS:
        raise InvalidQuestion(
            "selection_too_long",
            f"The selection has {len(text):,} characters; at most {SELECTION_MAX_CHARS:,} are "
            "allowed. Select less.",
        )
    selection = INVISIBLE.sub("", text).strip()
    if not WORD.search(selection):
        raise InvalidQuestion("selection_empty", "The selection has no words in it.")
    return selection
