"""In which language a question is asked: told by its function words, or by its script.

Whole texts are told apart by statistics of their letters, which a question of ten words has too
few of: on the questions of XQuAD in English, Spanish and German py3langid was sure of 80 of 100,
this of 97, and both erred in fewer than one of 500 (docs/decisions/0015).
"""

import re

from documents.index.sparse import tokens
from documents.index.stop_words import STOP_WORDS

FEWEST = 2  # function words: a single one may be a name
SHARE = 0.2  # of the words: below, they may all be chance
KANA = re.compile("[\u3040-\u30ff]")
HAN = re.compile("[\u3400-\u9fff]")
HANGUL = re.compile("[\uac00-\ud7af]")
LISTS = {code: words for code, words in STOP_WORDS.items() if code != "nb"}  # the same as "no"


def language_of(text: str) -> str | None:
    """Its code (ISO 639-1); None when it is not clear: keywords, a name, a language of no list."""
    words = [word.lower() for word in tokens(text)]
    found = {code: sum(map(listed.__contains__, words)) for code, listed in LISTS.items()}
    code, most = max(found.items(), key=lambda item: item[1])
    unspaced, signs = _unspaced(text)
    if signs >= 2 * max(FEWEST, most):  # two signs are about one word
        return unspaced
    alone = list(found.values()).count(most) == 1
    return code if most >= max(FEWEST, SHARE * len(words)) and alone else None


def _unspaced(text: str) -> tuple[str, int]:
    """The language of what is written without spaces, and how many signs of it there are."""
    kana, han, hangul = (len(script.findall(text)) for script in (KANA, HAN, HANGUL))
    if hangul > kana + han:
        return "ko", hangul
    return ("ja" if kana else "zh"), kana + han
