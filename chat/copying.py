"""Copy check: how many words in a row an answer took from a passage without quoting them.

Markup, case, punctuation and line breaks do not hide a copy, and neither do a few words put in,
left out or exchanged. What is marked as a quotation may be copied, if it really is one: its words
stand in a passage that is cited beside them. Code may be copied; prose put into a code block not.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chat.grounding.quotations import Quotation, quotations
from chat.grounding.tokens import CODE, Words, blanked, remembered_words, without_code, words_in

SEED = 5  # words in a row by which a copy is found
RESUMED = 2  # words in a row by which it goes on
BRIDGED = 3  # words on either side that may differ in between
DENSE = 0.85  # of the words of a run that must be the passage's
TRIED = 8  # places where a run may begin
MARKER = re.compile(r"\[(\d{1,3})\](?!\()")
ALONE = re.compile(r"\n\s*\n\s*(?:\[\d{1,3}\]\s*)+(?:\n|$)")
CODE_SIGN = re.compile(r"[={}<>$|\\]")


@dataclass(frozen=True)
class CopiedRun:
    """Characters of the answer, how many words are the passage's, and the passage's index."""

    start: int
    end: int
    words: int
    passage: int


def copied_runs(
    answer: str,
    passages: Sequence[str],
    *,
    limit: int,
    cited: Mapping[int, int] | None = None,
) -> list[CopiedRun]:
    """Runs of more than `limit` words that stand in a passage too, outside of quotations.

    `cited` maps the n of [n] to an index of `passages`; without it every true quotation counts.
    """
    shown = answer
    for quotation in quotations(answer):
        if _is_true(quotation, answer, passages, cited):
            shown = _blank(shown, quotation.start, quotation.end)
    prose, code = words_in(blanked(without_code(shown))), words_in(_only_code(shown))
    runs = _runs(prose, [remembered_words(text) for text in passages], limit)
    hidden = _runs(code, [remembered_words(without_code(text)) for text in passages], limit)
    found = [run for run, _ in runs] + [
        run for run, (first, last) in hidden
        if not CODE_SIGN.search(passages[run.passage][first:last])
    ]  # fmt: skip
    return sorted(found, key=lambda run: run.start)


def _is_true(
    quotation: Quotation,
    answer: str,
    passages: Sequence[str],
    cited: Mapping[int, int] | None,
) -> bool:
    if cited is None:
        among = list(range(len(passages)))
    else:
        beside = map(int, MARKER.findall(_paragraph(answer, quotation)))
        among = [cited[number] for number in beside if number in cited]
    return any(quotation.place(passages[at]) for at in among)


def _paragraph(answer: str, quotation: Quotation) -> str:
    """Where a citation of it may stand: its paragraph, and markers that follow alone."""
    start = answer.rfind("\n\n", 0, quotation.start) + 1
    end = answer.find("\n\n", quotation.end)
    if end < 0:
        return answer[start:]
    alone = ALONE.match(answer, end)
    return answer[start : alone.end() if alone else end]


def _runs(
    mine: Words, sources: Sequence[Words], limit: int
) -> Iterator[tuple[CopiedRun, tuple[int, int]]]:
    """Each with the characters of its passage."""
    seeds = _seeds(sources, min(SEED, limit + 1))
    size = min(SEED, limit + 1)
    at = 0
    while at + size <= len(mine):
        places = seeds.get(mine.words[at : at + size], [])
        chains = [
            (*_chain(mine, at, sources[number], there, size), number, there)
            for number, there in places[:TRIED]
        ]
        best = max(chains, default=None)
        if best is None or best[0] < DENSE * (best[1] - at):
            at += 1
            continue
        matched, end, last, number, there = best
        matched -= end - at - mine.count(at, end)
        if matched <= limit:
            at += 1
            continue
        source = sources[number]
        run = CopiedRun(mine.starts[at], mine.ends[end - 1], matched, number)
        yield run, (source.starts[there], source.ends[last - 1])
        at = end


def _seeds(sources: Sequence[Words], size: int) -> dict[tuple[str, ...], list[tuple[int, int]]]:
    seeds: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for number, source in enumerate(sources):
        for at in range(len(source) - size + 1):
            seeds.setdefault(source.words[at : at + size], []).append((number, at))
    return seeds


def _chain(mine: Words, at: int, source: Words, there: int, size: int) -> tuple[int, int, int]:
    """How many words agree from here on, small differences bridged; and where both sides end."""
    matched, at, there = size, at + size, there + size
    while True:
        while at < len(mine) and there < len(source) and mine.words[at] == source.words[there]:
            matched, at, there = matched + 1, at + 1, there + 1
        step = next(_bridges(mine, at, source, there), None)
        if step is None:
            return matched, at, there
        matched, at, there = matched + RESUMED, at + step[0], there + step[1]


def _bridges(mine: Words, at: int, source: Words, there: int) -> Iterator[tuple[int, int]]:
    """Steps over what differs, to behind the first words that agree again; shortest first."""
    for apart in range(1, 2 * BRIDGED + 1):
        for ahead in range(max(0, apart - BRIDGED), min(apart, BRIDGED) + 1):
            over = apart - ahead
            wanted = source.words[there + over : there + over + RESUMED]
            if len(wanted) == RESUMED and mine.words[at + ahead : at + ahead + RESUMED] == wanted:
                yield ahead + RESUMED, over + RESUMED


def _only_code(answer: str) -> str:
    """The code's words in their places, spaces everywhere else."""
    parts, position = [], 0
    for found in CODE.finditer(answer):
        parts += [" " * (found.start() - position), found[0]]
        position = found.end()
    return "".join(parts)


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + " " * (end - start) + text[end:]
