"""The language of a document: its tag in one form, or told from its text."""

import re
from functools import cache
from typing import TYPE_CHECKING

from ingestion.parsing.base import ParsedDocument, visible

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

TAG = re.compile(r"(?P<language>[A-Za-z]{2,3})(?P<rest>(?:[-_][A-Za-z0-9]{2,8}){0,3})(?:\.[\w-]+)?")
ENOUGH = 200  # characters of prose: below, a guess is worth less than the corpus's own language
SAMPLE = 5000
SURE = 0.9
LETTERS = re.compile(r"[^\W\d_]+")
INLINE_CODE = re.compile(r"`[^`\n]*`")
# A path, an address, a name of a program: told word by word, so that a word without an end costs
# no more than its length.
NO_WORD = re.compile(r"[/\\_={}<>@`]|\w\.\w")


def language_tag(value: object) -> str | None:
    """`en_US.UTF-8` to `en-us`; None for what is no tag of BCP 47 (`english`, a list)."""
    match = TAG.fullmatch(value.strip()) if isinstance(value, str) else None
    return (match["language"] + match["rest"]).lower().replace("_", "-") if match else None


def detected_language(parsed: ParsedDocument) -> str | None:
    """Told by its prose, without code; None when there is too little of it, or it is not clear."""
    prose = prose_of(parsed)
    if sum(map(len, LETTERS.findall(prose))) < ENOUGH:
        return None
    language, confidence = _identifier().classify(prose)
    return str(language) if confidence >= SURE else None


def prose_of(parsed: ParsedDocument, limit: int = SAMPLE) -> str:
    pieces: list[str] = []
    left = limit
    for section in parsed.sections:
        for block in section.blocks:
            if block.kind in ("code", "table", "rule"):
                continue
            end = min(block.end, block.start + 4 * left)  # enough, whatever part of it is markup
            shown = INLINE_CODE.sub(" ", visible(parsed.text, parsed.markup, block.start, end))
            text = " ".join(word for word in shown.split() if not NO_WORD.search(word))
            pieces.append(text)
            left -= len(text)
            if left <= 0:
                return "\n".join(pieces)
    return "\n".join(pieces)


@cache
def _identifier() -> "LanguageIdentifier":
    """Costs most of a second and 80 MB, so nobody pays who says which language it is."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    # The dialects it also knows (Cantonese, Moroccan Arabic) only take from their languages' share.
    identifier.set_languages([label for label in identifier.labels if len(label) == 2])
    return identifier
