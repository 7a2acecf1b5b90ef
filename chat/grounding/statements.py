"""An answer cut into statements: a sentence each, with the citations that it rests on."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest

from chat.grounding.spans import Said
from chat.grounding.tokens import without_code
from chat.sentences import Sentence, sentences

CITED = re.compile(r"\[(\d{1,3})\](?!\()")
BLANK_LINE = re.compile(r"\n[ \t>]*\n")
FEWEST_WORDS = 3  # a part of a sentence with fewer is checked together with the rest
# Sentences about the answer itself, and what the passages do not say: nothing to check.
MISSING = re.compile(
    r"(?i)\b(?:passages?|content|documentation|docs|sources?|texts?|context|sections?|pages?"
    r"|handbook|information given)\b[^.;]{0,40}\b(?:do|does|did)(?: not|n't|n’t) (?:\w+ )?"
    r"(?:say|mention|state|specify|cover|describe|contain|include|answer|tell|explain|give|name"
    r"|provide|discuss|address|list)\b"
    r"|\b(?:is|are|was)(?: not|n't|n’t) (?:\w+ )?(?:mentioned|stated|specified|covered|described"
    r"|documented|given|explained|answered|discussed) (?:in|by|there)\b"
    r"|\bno (?:information|details?|mention)\b|\bnothing (?:is said|in the)\b"
)
TURNS = re.compile(r"(?i)\b(?:but|however|although|though|yet|except|because|since|so)\b")
FILLERS = frozenset(
    "yes no ok okay sure here below above follow following answer short found find note summary "
    "example see also step question thank hope help luck good great welcome sorry unfortunately "
    "further more detail overview brief conclusion list look like happy let know ask".split()
)


@dataclass(frozen=True)
class Statement:
    """`own` are the n of the [n] in it; `inherited` those of its paragraph or list."""

    said: Said  # offsets in the answer; its text without markers
    own: tuple[int, ...]
    inherited: tuple[int, ...] = ()
    parts: tuple["Statement", ...] = ()  # where markers in the middle cite for one part each

    @property
    def citations(self) -> tuple[int, ...]:
        return self.own or self.inherited

    @cached_property
    def claims(self) -> bool:
        """Whether it states anything that a source could bear out."""
        plain, words = self.said.plain.strip(), self.said.words
        if plain.endswith(("?", "？", ":", "：")) or self.said.kind == "heading":
            return False
        if self.own:
            return True
        if MISSING.search(plain) and not TURNS.search(plain):
            return False
        return bool(words - FILLERS)


def statements(answer: str, known: set[int], language: str) -> list[Statement]:
    """In order. Markers inside code are code."""
    bare = without_code(answer)
    found: list[Statement] = []
    for group in _groups(answer, _with_their_markers(answer, bare)):
        rows = [_statement(answer, bare, sentence, known, language) for sentence in group]
        cited = tuple(dict.fromkeys(n for row in rows for n in row.own))
        found += [row if row.own else replace(row, inherited=cited) for row in rows]
    return found


def _statement(
    answer: str, bare: str, sentence: Sentence, known: set[int], language: str
) -> Statement:
    markers = [m for m in CITED.finditer(bare, sentence.start, sentence.end) if int(m[1]) in known]
    own = tuple(dict.fromkeys(int(marker[1]) for marker in markers))
    whole = Statement(_said(answer, bare, sentence, language), own)
    parts = tuple(_parts(answer, bare, sentence, markers, language))
    telling = all(len(part.said.words) >= FEWEST_WORDS for part in parts)
    return replace(whole, parts=parts) if len(parts) > 1 and telling else whole


def _parts(
    answer: str,
    bare: str,
    sentence: Sentence,
    markers: Sequence[re.Match[str]],
    language: str,
) -> Iterator[Statement]:
    """What stands before each run of markers; the rest belongs to the last one."""
    start, pending = sentence.start, []
    for marker, following in zip_longest(markers, markers[1:]):
        pending.append(int(marker[1]))
        if following and not answer[marker.end() : following.start()].strip(" ,;"):
            continue
        end = marker.end() if following else sentence.end
        piece = Sentence(start, end, answer[start:end], sentence.kind)
        yield Statement(_said(answer, bare, piece, language), tuple(pending))
        start, pending = end, []


def _said(answer: str, bare: str, sentence: Sentence, language: str) -> Said:
    text = answer[sentence.start : sentence.end]
    for marker in reversed(list(CITED.finditer(bare, sentence.start, sentence.end))):
        first, last = marker.start() - sentence.start, marker.end() - sentence.start
        text = text[:first].rstrip(" ") + text[last:]
    return Said(sentence.start, sentence.end, text, language, sentence.kind)


def _with_their_markers(answer: str, bare: str) -> Iterator[Sentence]:
    """Sentences; a marker that stands alone belongs to the sentence before it."""
    last: Sentence | None = None
    for sentence in sentences(answer):
        rest = CITED.sub("", bare[sentence.start : sentence.end])
        alone = CITED.search(bare, sentence.start, sentence.end) and not rest.strip(" .,;:”\"'»>")
        if alone and last:
            text = answer[last.start : sentence.end]
            last = Sentence(last.start, sentence.end, text, last.kind)
            continue
        if last:
            yield last
        last = sentence
    if last:
        yield last


def _groups(answer: str, found: Iterator[Sentence]) -> Iterator[list[Sentence]]:
    """Paragraphs; a list or table is one group, with the sentence that leads to it."""
    group: list[Sentence] = []
    for sentence in found:
        if group and not _together(answer, group[-1], sentence):
            yield group
            group = []
        group.append(sentence)
    if group:
        yield group


def _together(answer: str, before: Sentence, sentence: Sentence) -> bool:
    if sentence.kind == "heading" or before.kind == "heading":
        return sentence.kind == "row"
    if not BLANK_LINE.search(answer, before.end, sentence.start):
        return True
    leads = CITED.sub("", before.text).rstrip().endswith((":", "："))
    same = before.kind == sentence.kind and sentence.kind in ("item", "row")
    return leads or same
