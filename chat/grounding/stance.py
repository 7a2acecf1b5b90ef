"""How a sentence says what it says: its words in order, and which of them it denies."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from chat.words import content_words
from documents.index.sparse import primary

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
SCOPE = 12  # words that a negation reaches
CLAUSE_END = re.compile(
    r"[,;:.!?()—–]|\b(?:but|and|because|although|while|whereas|so|if|when|unless|which|that"
    r"|aber|und|pero|y|mais|et)\b"
)

NEGATORS: dict[str, frozenset[str]] = {
    "en": frozenset(
        "no not never none nor neither cannot without nothing nobody nowhere hardly".split()
    ),
    "de": frozenset(
        "nicht kein keine keinen keinem keiner keines nie niemals ohne nichts niemand "
        "weder".split()
    ),
    "es": frozenset("no nunca sin ningún ninguna ninguno nada nadie jamás tampoco".split()),
    "fr": frozenset("pas jamais sans aucun aucune rien personne ni".split()),
    "it": frozenset("non mai senza nessun nessuna nessuno niente nulla".split()),
    "pt": frozenset("não nunca sem nenhum nenhuma nada ninguém jamais".split()),
    "nl": frozenset("niet geen nooit zonder niets niemand".split()),
    "ru": frozenset("не нет никогда без ни ничего никто".split()),
}  # fmt: skip
UNSPACED_NEGATORS = {
    "zh": re.compile("不|没|無|无|未|非"),
    "ja": re.compile("ない|ません|なく|ず(?:に|、)|ぬ"),
}
# They deny without a negator: "fails to start" does not start.
DENYING = frozenset(
    "fail fails failed refuse refuses refused reject rejects rejected lack lacks lacking "
    "prevent prevents prevented avoid avoids forbid forbids forbidden prohibit prohibited "
    "deny denies denied ignore ignores ignored omit omits omitted impossible unable lose "
    "loses lost missing absent free drop drops dropped stop stops stopped skip skips skipped "
    "exclude excludes excluded instead rather".split()
)  # fmt: skip
# "not only", and what means "only": nobody but the owner.
NO_DENIAL = re.compile(r" (?:only|just|but|except|other than)\b|\. ?\d")
UNLESS = re.compile(r"\b(?:unless|except(?: if| when)?)\b(.*)")
# They stand between a negator and what it denies.
BETWEEN = frozenset(
    "between among through during into onto within against yet also even just really simply ever "
    "any be been being have has had get need needs longer more necessarily automatically usually "
    "always currently".split()
)  # fmt: skip


@dataclass(frozen=True)
class Stance:
    """How a sentence without markup says what it says."""

    text: str
    language: str = "en"

    @cached_property
    def lowered(self) -> str:
        return self.text.lower().replace("’", "'")

    @cached_property
    def words(self) -> tuple[str, ...]:
        return tuple(WORD.findall(self.lowered))

    @cached_property
    def spelled(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(content_words(self.text, self.language))

    @cached_property
    def denied(self) -> tuple[tuple[str, ...], ...]:
        """For each negation, the stems of its clause that follow it, the nearest first."""
        return tuple(self._denied())

    def _denied(self) -> Iterator[tuple[str, ...]]:
        negators = NEGATORS.get(primary(self.language), NEGATORS["en"])
        for found in WORD.finditer(self.lowered):
            if not (
                found[0] in negators or found[0].endswith(("n't", "n´t")) or found[0] == "cannot"
            ):
                continue
            if self.text[found.start() : found.end()] == "None" and found.start():
                continue  # a value
            if NO_DENIAL.match(self.lowered, found.end()):
                continue
            following = CLAUSE_END.split(self.lowered[found.end() :], maxsplit=1)[0]
            yield tuple(
                stem
                for word in WORD.findall(following)[:SCOPE]
                if word not in BETWEEN
                for stem in content_words(word, self.language)
            )
        if unspaced := UNSPACED_NEGATORS.get(primary(self.language)):
            yield from (() for _ in unspaced.finditer(self.text))

    @property
    def negated(self) -> bool:
        return bool(self.denied)

    @cached_property
    def denied_stems(self) -> frozenset[str]:
        return frozenset(stem for scope in self.denied for stem in scope)

    @cached_property
    def excused(self) -> frozenset[str]:
        """Stems of the condition under which the sentence does not hold: "unless it is passed"."""
        found = UNLESS.search(self.lowered)
        return frozenset(content_words(found[1], self.language)) if found else frozenset()

    def denies_otherwise(self, stem: str = "") -> bool:
        """Whether a word denies by its meaning, other than the one of this stem."""
        found = DENYING & set(self.words)
        return any(stem not in content_words(word, self.language) for word in found)


def joined(parts: Sequence[Stance]) -> Stance:
    return (
        parts[0] if len(parts) == 1 else Stance(" ".join(p.text for p in parts), parts[0].language)
    )
