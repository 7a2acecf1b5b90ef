"""How many tokens a text has, without asking the model: estimated."""

import math
import re

WORD = re.compile(r"\w+")
SYMBOL = re.compile(r"[^\w\s]")
# One token each, or nearly: Han, kana, Hangul and their full-width forms.
CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f]")


def estimate_tokens(text: str) -> int:
    """On the safe side of what common tokenizers count, for budgets."""
    return math.ceil(likely_tokens(text) * 1.15)


def likely_tokens(text: str) -> float:
    """In the middle of what common tokenizers count, for planning."""
    cjk = len(CJK.findall(text))
    foreign = len(text) - len(text.encode("ascii", "ignore")) - cjk
    by_length = (len(text) - cjk - foreign) / 4 + cjk + foreign / 2
    words = len(WORD.findall(CJK.sub(" ", text)))
    by_words = words * 1.2 + len(SYMBOL.findall(text)) * 0.5 + cjk
    return max(by_length, by_words)
