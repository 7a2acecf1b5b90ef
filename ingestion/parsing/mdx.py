"""The pre-pass over Markdown and MDX: which characters are markup and not text.

Imports, exports, JSX and HTML tags, comments, expressions, admonition fences and include lines are
found as spans; code, in fences or inline, is never touched. The Markdown parser then reads a
`layout` of the same length and lines in which those spans are blank.
"""

import re
from dataclasses import dataclass

from ingestion.parsing.base import Span, blank_out
from ingestion.parsing.inline_markup import BLANK_LINE, InlineMarkup
from ingestion.parsing.routes import HUGO, MDBOOK, MKDOCS, PLAIN
from ingestion.parsing.shortcodes import Shortcodes

LEAD = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t>]+)*")  # quote and list markers
FENCE = re.compile(r"(?P<ticks>`{3,}|~{3,})(?P<info>[^\n]*)")
LIST_MARK = re.compile(r"[ \t>]*(?:[-*+]|\d{1,9}[.)]|:|\[\^[^\]\n]+\]:)(?=[ \t]|$)")
COLONS = re.compile(
    r"(?P<mark>:{3,}[ \t]*(?:[A-Za-z][\w-]*(?=[\s\[{]|:::|\Z|$))?[ \t]*)(?P<title>[^\n]*)",
    re.MULTILINE,
)
OBJECT_NAME = re.compile(r"\w+(?:\.\w+)+")  # mkdocstrings: `::: package.Class` and its options
INDENTED_LINES = re.compile(r"[ ]{4,}[^\n]*(?:\n[ ]{4,}[^\n]*)*")
SLASHES = re.compile(r"/{3,}[ \t]*(?:[\w-]+[ \t]*(?P<bar>\|[ \t]*)?)?")
SLASH_OPTIONS = re.compile(r"[ ]{4,}[\w-]+:[^\n]*(?:\n[ ]{4,}[\w-]+:[^\n]*)*")
BANGS = re.compile(r'(?:!!!|\?\?\?\+?)[ \t]+[A-Za-z][^"\n]*')
TAB = re.compile(r"===[+!]?[ \t]+(?=\")")
TOC = re.compile(r"\[TOC\][ \t]*(?=\n|\Z)")
HIDDEN_LINE = re.compile(r"^[ \t>]*#(?: [^\n]*)?$", re.MULTILINE)  # of Rust, in mdBook
INCLUDE = re.compile(r"\{(?:\*[^\n]*\*|![^\n]*!)\}[ \t]*(?=\n|\Z)|-+8<-+[^\n]*")

IMPORT = re.compile(
    r"(?:import\s{1,9}(?:[\w$*{},\s]{1,1000}?\s{0,9}from\s{0,9})?(?:'[^'\n]+'|\"[^\"\n]+\")"
    r"[ \t]{0,9};?[ \t]{0,9})+"
    r"(?=\n|\Z)"
)
EXPORT = re.compile(
    r"export\s+(?:(?:default|const|let|var|async|function|class|type|interface)\b|[{*])"
)
STATEMENT = re.compile(
    r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[(\[{]|[)\]}]|(?<!:)//[^\n]*"
    r"|\n(?=(?P<fence>[ \t]*(?:```|~~~))?)|`"
)
UNFINISHED = ("=", ",", "+", "?", "&", "|", "=>", ":")

# Tags that part words: between two letters they stay, or the words would run into one.
PARTING = re.compile(r"(?:</?(?:br|hr|li|td|th|tr|p|div|dd|dt)\b[^<>]*>)+", re.IGNORECASE)


@dataclass(frozen=True)
class Prepass:
    spans: tuple[Span, ...]  # the markup, sorted and apart
    masked: str  # the text with all markup blank: what is left is visible
    layout: str  # what the Markdown parser reads; same lines, same offsets


def find_markup(text: str, start: int = 0, *, mdx: bool, site_kind: str = PLAIN) -> Prepass:
    """`mdx` also reads `{expressions}` and takes every tag for a component."""
    scanner = _Scanner(text, mdx=mdx, site_kind=site_kind)
    scanner.scan(start)
    spans = [(0, start)] if start else []
    spans = _merged(text, spans + scanner.spans)
    masked = blank_out(text, spans)
    layout = list(masked)
    for position in _leading(masked, spans):
        layout[position] = "x"  # text after a tag is a paragraph, not indented code or a list
    for position, shown in scanner.structure:
        layout[position : position + len(shown)] = shown
    return Prepass(tuple(spans), masked, "".join(layout))


def _merged(text: str, spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return [span for span in merged if not _parts_words(text, *span)]


def _parts_words(text: str, start: int, end: int) -> bool:
    return (
        start > 0
        and end < len(text)
        and text[start - 1].isalnum()
        and text[end].isalnum()
        and PARTING.fullmatch(text, start, end) is not None
    )


def _leading(masked: str, spans: list[Span]) -> list[int]:
    """Where a line begins with markup and goes on with text: the first character of the markup."""
    positions, previous_end = [], 0
    for start, end in spans:
        newline = masked.rfind("\n", previous_end, end)
        first_on_its_line = newline >= 0 or not previous_end
        previous_end = end
        if first_on_its_line:
            begin = max(start, newline + 1)
            line_end = masked.find("\n", end)
            rest = masked[end : line_end if line_end >= 0 else None]
            if begin < end and not masked[newline + 1 : begin].strip() and rest.strip():
                positions.append(begin)
    return positions


class _Scanner(InlineMarkup):
    """One walk over the text, line by line; every rule moves the position forward."""

    def __init__(self, text: str, *, mdx: bool, site_kind: str):
        super().__init__(text, mdx=mdx, site_kind=site_kind)
        self.shortcodes = Shortcodes(text if site_kind == HUGO else "")
        self.spans += self.shortcodes.spans
        self.unwrapped: list[str] = []  # open ```mdx-code-block fences
        self.fresh = True  # after a blank line or a statement: a new block may begin
        self.nested = False  # in a list or an admonition: indented text is not code
        self.in_indented_code = False
        self.lost_statements = 0

    def scan(self, position: int) -> None:
        while position < len(self.text):
            position = self._line(position)

    def _end_of_line(self, position: int) -> int:
        end = self.text.find("\n", position)
        return len(self.text) if end < 0 else end

    def _line(self, start: int) -> int:
        """Everything that begins on this line; the start of the first line not yet read."""
        end = self._end_of_line(start)
        line = self.text[start:end]
        indent = len(line) - len(line.lstrip())
        if indent == len(line):
            self.fresh = True
            return end + 1
        if self._is_indented_code(line, indent):
            return end + 1
        position = self._block(start, end, line, start + indent)
        if position > end:
            return position
        while (position := self._inline(position, end)) > end:  # something ran over the line
            end = self._end_of_line(position)
        return end + 1

    def _is_indented_code(self, line: str, indent: int) -> bool:
        if self.mdx:
            return False
        if LIST_MARK.match(line):
            self.nested = True
        elif self.fresh and indent < 2:
            self.nested = False
        deep = indent >= 4 or line.startswith("\t")
        self.in_indented_code = deep and not self.nested and (self.fresh or self.in_indented_code)
        if self.in_indented_code:
            self.fresh = False
        return self.in_indented_code

    def _block(self, start: int, end: int, line: str, first: int) -> int:
        """Rules for whole lines. A position beyond `end` means: the lines up to there are done."""
        fresh, self.fresh = self.fresh, False
        if code := self.shortcodes.code.get(first):
            self.structure += (first, f"~~~~~{code.language}"), (code.closer, "~~~~~")
            self.fresh = True
            return self._end_of_line(code.closer) + 1
        if "```" in line or "~~~" in line:
            position = self._fence(start, end)
            if position is not None:
                return position
        character = self.text[first]
        if character in ">-*+":  # an admonition may open inside a quote or a list item
            first = LEAD.match(self.text, start, end).end()  # type: ignore[union-attr]
            character = self.text[first : first + 1]
        if character == ":":
            return self._colons(first, end)
        if self.text.startswith("[^", first):  # a footnote is text, not a link definition
            self.structure.append((first, "x"))
        if character in ("{", "-") and (include := INCLUDE.match(self.text, first, end)):
            self.spans.append(include.span())
            return end + 1
        if character == "[" and self.site_kind == MKDOCS and (toc := TOC.match(self.text, first)):
            self.spans.append(toc.span())
            return end + 1
        if character in ("i", "e") and first - start < 4 and fresh:
            return self._statement(first)
        if not self.mdx and character in ("/", "!", "?", "=") and end - first < 1000:
            return self._mkdocs(first, end)
        return start

    # Code fences

    def _fence(self, start: int, end: int) -> int | None:
        lead = LEAD.match(self.text, start, end)
        fence = FENCE.match(self.text, lead.end(), end) if lead else None
        if lead is None or fence is None:
            return None
        ticks, info = fence["ticks"], fence["info"].strip()
        if ticks[0] == "`" and "`" in info:
            return None
        self.fresh = True
        if self.unwrapped and not info and self._closes(ticks, self.unwrapped[-1]):
            self.unwrapped.pop()
            self.spans.append((start, end))
            return end + 1
        if info.split(" ")[0] == "mdx-code-block":
            self.unwrapped.append(ticks)
            self.spans.append((start, end))
            return end + 1
        after = self._end_of_fence(lead[0], ticks, end)
        if self.site_kind == MDBOOK and re.match(r"rust\b", info):
            inner = self.text.rfind("\n", end, after - 1)
            hidden = HIDDEN_LINE.finditer(self.text, min(end + 1, inner), max(inner, 0))
            self.spans += (line.span() for line in hidden)
        return after

    @staticmethod
    def _closes(ticks: str, opener: str) -> bool:
        return ticks[0] == opener[0] and len(ticks) >= len(opener)

    def _end_of_fence(self, lead: str, ticks: str, end: int) -> int:
        closer = re.compile(rf"^(?P<lead>[ \t>]*){ticks[0]}{{{len(ticks)},}}[ \t]*$", re.MULTILINE)
        found = closer.search(self.text, end + 1) if end < len(self.text) else None
        while found and len(found["lead"]) >= len(lead) + 4:  # indented: a line of the code
            found = closer.search(self.text, found.end())
        limit = found.end() if found else len(self.text)
        if ">" in lead:  # a quote that ends takes its fence with it
            outside = re.compile(r"^(?![ \t]*>)", re.MULTILINE).search(self.text, end + 1, limit)
            limit = outside.start() - 1 if outside else limit
        return limit + 1

    # Admonitions

    def _colons(self, first: int, end: int) -> int:
        """`:::tip Title`, `:::tip[Title]`, `:::`; the title is text."""
        match = COLONS.match(self.text, first, end)
        if match is None:
            return first
        self.spans.append(match.span("mark"))
        self.fresh = True
        title = match["title"].rstrip()
        start = match.start("title")
        if OBJECT_NAME.fullmatch(title) and (options := INDENTED_LINES.match(self.text, end + 1)):
            self.spans.append(options.span())
        if title.endswith(":::"):
            title = title.rstrip(":")
            self.spans.append((start + len(title), end))
        if title.startswith("[") and title.endswith("]"):
            self.spans += (start, start + 1), (start + len(title) - 1, start + len(title))
            start += 1
        return start

    def _mkdocs(self, first: int, end: int) -> int:
        """`/// note | Title`, `!!! note "Title"` and `=== "Tab"`; the title is text."""
        character = self.text[first]
        if character == "/":
            return self._slashes(first, end)
        mark = (TAB if character == "=" else BANGS).match(self.text, first, end)
        if mark is None:
            return first
        self.nested = self.fresh = True
        # To the parser a tab is an admonition, for its content is indented alike; exactly one space
        # after the mark makes that four columns.
        sign, spaces, name = re.split(r"([ \t]+)", self.text[first : mark.end()], maxsplit=1)
        if character == "=":
            sign = "???+" if len(sign) > 3 else "!!!"
        filler = "x" * (len(spaces) if character == "=" else len(spaces) - 1)
        self.structure.append((first, f"{sign} {filler}{name}"))
        quoted = self.text[mark.end() : end].rstrip()
        if len(quoted) > 1 and quoted[0] == quoted[-1] == '"':
            closing = mark.end() + len(quoted) - 1
            self.spans += (first, mark.end() + 1), (closing, closing + 1)
            return mark.end() + 1
        self.spans.append((first, mark.end()))
        return mark.end()

    def _slashes(self, first: int, end: int) -> int:
        match = SLASHES.match(self.text, first, end)
        if match is None or (match.end() < end and not match["bar"]):
            return first
        self.spans.append(match.span())
        self.fresh = True
        if options := SLASH_OPTIONS.match(self.text, end + 1):
            self.spans.append(options.span())
        return match.end()

    # Statements

    def _statement(self, first: int) -> int:
        """An `import` or `export`, over as many lines as it takes."""
        end = None
        if match := IMPORT.match(self.text, first):
            if not BLANK_LINE.search(match[0]):
                end = match.end()
        elif EXPORT.match(self.text, first):
            end = self._end_of_statement(first)
        if end is None:
            return first
        self.spans.append((first, end))
        self.fresh = True
        return end + 1

    def _end_of_statement(self, first: int) -> int:
        depth = 0
        position = first
        if self.lost_statements < 20:
            while token := STATEMENT.search(self.text, position):
                position = token.end()
                if token[0] == "`":
                    position = self._after("`", position) or position
                elif token[0] == "\n":
                    if depth <= 0 and not self._goes_on(first, token.start()):
                        return token.start()
                    if token["fence"]:
                        break
                elif token[0] in "([{":
                    depth += 1
                elif token[0] in ")]}":
                    depth -= 1
            else:
                if depth <= 0:
                    return len(self.text)
            self.lost_statements += 1  # each costs a walk to the end; do not pay it for ever
        blank = BLANK_LINE.search(self.text, first)
        return blank.start() if blank else len(self.text)

    def _goes_on(self, first: int, line_end: int) -> bool:
        return self.text[max(first, line_end - 40) : line_end].rstrip().endswith(UNFINISHED)
