"""Sections to chunks: verbatim pieces of the source that never cross a heading."""

import json
import math
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate, pairwise
from typing import cast
from uuid import UUID, uuid5

import semchunk

from documents.tokens import estimate_tokens
from ingestion.parsing.base import Block, ParsedDocument, Section, Span, blank_out, visible

CHUNK_NAMESPACE = UUID("7b0f3a52-3c5e-5f0e-9c61-0d0f6f7f1d2a")
DEFAULT_LIMIT = 1200  # characters
WINDOW = 100_000  # characters given to semchunk at once; it keeps time in proportion

WORD_CHARACTER = re.compile(r"[^\W_]")
CJK_STOP = re.compile("[。！？｡]")  # semchunk knows Western sentences only
CJK_SENTENCE = re.compile("[^。！？｡]*[。！？｡]+[」』）”’]*|[^。！？｡]+")


@dataclass(frozen=True)
class ChunkDraft:
    """A chunk before it is stored. The span is of the source; `text` is what is visible of it."""

    heading_path: tuple[str, ...]
    anchor: str
    text: str
    line_start: int  # 1-based, inclusive
    line_end: int
    char_start: int
    char_end: int
    token_estimate: int
    text_hash: str
    occurrence: int  # among chunks of the document with this heading path and text, from 0

    @property
    def text_with_headings(self) -> str:
        """What is embedded: the headings give a short passage its subject."""
        return " › ".join(self.heading_path) + "\n\n" + self.text


def chunk_by_section(parsed: ParsedDocument, *, limit: int = DEFAULT_LIMIT) -> list[ChunkDraft]:
    """Whole blocks up to `limit` visible characters; only a block longer than that is cut."""
    cutter = _Cutter(parsed, limit)
    newlines = [match.start() for match in re.finditer("\n", parsed.text)]
    occurrences: Counter[tuple[tuple[str, ...], str]] = Counter()
    drafts = []
    for section in parsed.sections:
        for start, end in cutter.chunks(section):
            text = visible(parsed.text, parsed.markup, start, end)
            if not WORD_CHARACTER.search(text):
                continue
            identity = (section.heading_path, text)
            drafts.append(
                ChunkDraft(
                    heading_path=section.heading_path,
                    anchor=section.anchor,
                    text=text,
                    line_start=bisect_right(newlines, start - 1) + 1,
                    line_end=bisect_right(newlines, end - 1) + 1,
                    char_start=start,
                    char_end=end,
                    token_estimate=estimate_tokens(text),
                    text_hash=sha256(text.encode()).hexdigest(),
                    occurrence=occurrences[identity],
                )
            )
            occurrences[identity] += 1
    return drafts


def chunk_id(corpus: str, document_key: str, draft: ChunkDraft) -> UUID:
    """The same text under the same headings keeps its id, wherever in the document it moves."""
    identity = [corpus, document_key, draft.heading_path, draft.text, draft.occurrence]
    return uuid5(CHUNK_NAMESPACE, json.dumps(identity))


class _Cutter:
    """Finds where one document is cut. A piece is a span that begins and ends in visible text."""

    def __init__(self, parsed: ParsedDocument, limit: int):
        self.text, self.limit = parsed.text, limit
        self.masked = blank_out(parsed.text, parsed.markup)
        self.markup_starts = [start for start, _ in parsed.markup]
        self.markup_before = [0, *accumulate(end - start for start, end in parsed.markup)]
        self.split = semchunk.chunkerify(len, limit, memoize=False)

    def chunks(self, section: Section) -> Iterator[Span]:
        """Pieces packed until the limit, of about equal size so that no crumb is left over."""
        pieces = list(self._joined(self._pieces(section.blocks)))
        if not pieces:
            return
        total = self._size(pieces[0][0], pieces[-1][1])
        target = total / math.ceil(total / self.limit)
        start, end = pieces[0]
        for piece_start, piece_end in pieces[1:]:
            size, grown = self._size(start, end), self._size(start, piece_end)
            if grown > self.limit or grown - target > target - size:
                yield start, end
                start = piece_start
            end = piece_end
        yield start, end

    def _size(self, start: int, end: int) -> int:
        """Characters from `start` to `end` that are not markup; both lie outside of markup."""
        hidden = (
            self.markup_before[bisect_left(self.markup_starts, end)]
            - self.markup_before[bisect_left(self.markup_starts, start)]
        )
        return end - start - hidden

    def _pieces(self, blocks: Iterable[Block]) -> Iterator[tuple[Span, str]]:
        for block in blocks:
            if block.kind == "rule":
                continue
            if self._size(block.start, block.end) <= self.limit:
                yield (block.start, block.end), block.kind
            elif block.children:
                yield from self._pieces(block.children)
            elif block.kind == "code":
                yield from ((span, "code") for span in self._cut_code(block))
            else:
                yield from ((span, block.kind) for span in self._cut_prose(block.start, block.end))

    def _joined(self, pieces: Iterable[tuple[Span, str]]) -> Iterator[Span]:
        """A paragraph that ends with a colon stays with the code or list it introduces."""
        waiting: Span | None = None
        for (start, end), kind in pieces:
            if waiting and self._size(waiting[0], end) <= self.limit:
                start = waiting[0]
            elif waiting:
                yield waiting
            waiting = None
            if kind == "paragraph" and self.masked[start:end].rstrip().endswith((":", "：")):
                waiting = (start, end)
            else:
                yield start, end
        if waiting:
            yield waiting

    def _cut_code(self, block: Block) -> list[Span]:
        """At blank lines, else at lines, else wherever a line that long can be cut."""
        spans = self._packed(self._parts(r"\n[ \t]*\n", block.start, block.end))
        spans = [part for span in spans for part in self._refined(r"\n", span)]
        return [part for span in spans for part in self._fitting(span)]

    def _parts(self, separator: str, start: int, end: int) -> list[Span]:
        """What stands between the separators."""
        breaks = [m.span() for m in re.compile(separator).finditer(self.masked, start, end)]
        edges = pairwise([(start, start), *breaks, (end, end)])
        return [(left, right) for (_, left), (right, _) in edges if left < right]

    def _refined(self, separator: str, span: Span) -> list[Span]:
        if self._size(*span) <= self.limit:
            return [span]
        return self._packed(self._parts(separator, *span))

    def _packed(self, parts: Sequence[Span]) -> list[Span]:
        """Neighbours joined as long as they fit."""
        packed: list[Span] = []
        for start, end in parts:
            if packed and self._size(packed[-1][0], end) <= self.limit:
                packed[-1] = (packed[-1][0], end)
            else:
                packed.append((start, end))
        return packed

    def _fitting(self, span: Span) -> list[Span]:
        return [span] if self._size(*span) <= self.limit else self._cut_prose(*span)

    def _cut_prose(self, start: int, end: int) -> list[Span]:
        """At sentences, then clauses, then words; a wrapped line is no reason to cut."""
        text = self.masked[start:end].replace("\n", " ")
        if not CJK_STOP.search(text):
            return self._by_semchunk(start, end)
        sentences = (match.span() for match in CJK_SENTENCE.finditer(text))
        trimmed = (self._trimmed((start + left, start + right)) for left, right in sentences)
        spans = self._packed([span for span in trimmed if span])
        return [
            part
            for span in spans
            for part in ([span] if self._size(*span) <= self.limit else self._by_semchunk(*span))
        ]

    def _by_semchunk(self, start: int, end: int) -> list[Span]:
        spans = []
        for offset in range(start, end, WINDOW):
            window = self.masked[offset : min(offset + WINDOW, end)].replace("\n", " ")
            places = cast(list[Span], self.split(window, offsets=True)[1])
            found = (self._trimmed((offset + left, offset + right)) for left, right in places)
            spans += [span for span in found if span]
        return self._packed(spans)

    def _trimmed(self, span: Span) -> Span | None:
        shown = self.masked[slice(*span)]
        indent = len(shown) - len(shown.lstrip())
        end = span[0] + len(shown.rstrip())
        return (span[0] + indent, end) if span[0] + indent < end else None
