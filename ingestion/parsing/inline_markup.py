"""Markup inside a line of Markdown or MDX: tags, comments and expressions, but never code."""

import re

from ingestion.parsing.base import Span
from ingestion.parsing.brackets import Braces
from ingestion.parsing.routes import MKDOCS, PLAIN

# A new block begins here, so inline code that is still open does not go on.
BLOCK_EDGE = re.compile(
    r"\n(?=[ \t]*(?:\n|\Z|#{1,6}[ \t]|[-*+][ \t]|\d{1,9}[.)][ \t]|[>|]|```|~~~|:::|///))"
)

BLANK_LINE = re.compile(r"\n[ \t]*(?:\n|\Z)")

MDX_TOKEN = re.compile(r"\\.|`+|<|\{|\$")
TOKEN = re.compile(r"\\.|`+|<|\{(?=/\*|%|[:.#]|[ \t]+[.#]|[ \t]*[\w-]{1,40}=)|:(?=[a-z]+-)")
AUTOLINK = re.compile(r"<[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*>|<[^\s<>@]+@[^\s<>@]+>")
TAG = re.compile(r"<(?P<close>/)?(?P<name>[A-Za-z][\w.-]*(?::[\w.-]+)?)(?=[\s/>])")
FRAGMENT = re.compile(r"</?>")
ATTRIBUTES = re.compile(r"[^\"'{}<>\n]*")
CLOSED_NAME = re.compile(r"</([A-Za-z][\w.-]*)")
# Attributes of Python-Markdown, kramdown, goldmark and mdBook: { .class #id key="value" }
_ATTRIBUTE = r"""(?:[.#][\w:.-]+|[\w:-]+=(?:"[^"\n]*"|'[^'\n]*'|[^\s"'{}=]+))"""
ATTRIBUTE_LIST = re.compile(
    rf"\{{(?::[ \t]*[\w-]{{1,40}}|:?[ \t]*{_ATTRIBUTE}(?:[ \t]+{_ATTRIBUTE}){{0,20}})[ \t]*\}}"
)
TO_ITS_END = re.compile(r"[ \t]*(?=\n|\Z)")
ATTRIBUTED = frozenset(")]*_`\"'^~=+>:")  # an inline element ends here, so attributes may follow
ICON = re.compile(r":(?:material|octicons|fontawesome|simple)-[a-z0-9-]+:")
HEADING_ID = re.compile(r"\{:?[ \t]?#[^\n]{1,300}\}[ \t]*(?=\n|\Z)")
STRING_CHILD = re.compile(r"\{\s*(?P<quote>['\"`])(?P<text>[^'\"`\\$]*)(?P=quote)\s*\}")
MATH = re.compile(r"(?<![\w$\\])\$(?![\s$])[^$\n]{1,500}?(?<!\s)\$(?!\d)|\$\$[^$]{1,5000}?\$\$")

RAW_TEXT = ("script", "style", "svg")  # elements whose content is not prose
HTML_NAMES = frozenset(
    re.findall(
        r"\w+",
        """a abbr address area article aside audio b base bdi bdo blockquote body br button canvas
    caption center cite code col colgroup data datalist dd del details dfn dialog div dl dt em embed
    fieldset figcaption figure font footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html i
    iframe img input ins kbd label legend li link main map mark menu meta meter nav noscript object
    ol optgroup option output p param picture pre progress q rp rt ruby s samp script section select
    slot small source span strike strong style sub summary sup svg table tbody td template textarea
    tfoot th thead time title tr track tt u ul var video wbr""",
    )
)


class InlineMarkup:
    """Collects the spans of markup in `spans`; what runs over a line is followed to its end."""

    def __init__(self, text: str, *, mdx: bool, site_kind: str = PLAIN):
        self.text, self.mdx, self.site_kind = text, mdx, site_kind
        self.spans: list[Span] = []
        self.structure: list[tuple[int, str]] = []  # what the Markdown parser must see instead
        self.token = MDX_TOKEN if mdx else TOKEN
        self.braces = Braces(text)
        self.closed_names = set(CLOSED_NAME.findall(text))
        self.block_end = -1
        self.ticks: dict[int, list[int]] = {}
        self.missing: set[str] = set()  # closers that do not occur any more

    def _inline(self, position: int, end: int) -> int:
        """Spans from here to the end of the line; what runs over it is followed to its end."""
        while position <= end and (token := self.token.search(self.text, position, end)):
            start = token.start()
            match token[0][0]:
                case "`":
                    position = self._code(start, token.end())
                case "<":
                    position = self._tag(start)
                case "{":
                    position = self._braces(start)
                case ":":
                    icon = ICON.match(self.text, start) if self.site_kind == MKDOCS else None
                    position = self._take(start, icon.end() if icon else None)
                case "$":
                    math = MATH.match(self.text, start)
                    position = math.end() if math else token.end()
                case _:
                    position = token.end()
            if position > end:
                return position
        return end

    def _code(self, start: int, end: int) -> int:
        """After the run of as many backticks that closes this one, if its block has one."""
        if start > self.block_end:
            edge = BLOCK_EDGE.search(self.text, start)
            self.block_end = edge.start() if edge else len(self.text)
            self.ticks = {}
            for run in re.finditer("`+", self.text[start : self.block_end]):
                self.ticks.setdefault(len(run[0]), []).append(start + run.start())
            for starts in self.ticks.values():
                starts.reverse()
        later = self.ticks.get(end - start, [])
        while later and later[-1] < end:
            later.pop()
        return later[-1] + end - start if later else end

    def _after(self, closer: str, position: int) -> int | None:
        """Where the next `closer` ends; one that is missing is looked for only once."""
        if closer in self.missing:
            return None
        found = self.text.find(closer, position)
        if found < 0:
            self.missing.add(closer)
            return None
        return found + len(closer)

    def _take(self, start: int, end: int | None) -> int:
        if end is None:
            return start + 1
        self.spans.append((start, end))
        return end

    def _tag(self, start: int) -> int:
        if self.text.startswith("<!--", start):
            return self._take(start, self._after("-->", start))
        if self.mdx and (fragment := FRAGMENT.match(self.text, start)):
            return self._take(start, fragment.end())
        if autolink := AUTOLINK.match(self.text, start):
            return autolink.end()
        tag = TAG.match(self.text, start)
        end = self._end_of_tag(tag.end()) if tag else None
        if tag is None or end is None or not self._is_markup(tag, self.text[tag.end() : end]):
            return start + 1
        name = tag["name"].lower()
        if not tag["close"] and not self.text.startswith("/>", end - 2):
            if name in RAW_TEXT:
                end = self._end_of_raw_text(tag["name"], end)
            elif name == "pre" and not self.mdx:
                self._flatten(end)
        return self._take(start, end)

    def _end_of_tag(self, position: int) -> int | None:
        while True:
            position = ATTRIBUTES.match(self.text, position).end()  # type: ignore[union-attr]
            character = self.text[position : position + 1]
            closing: int | None
            if character == ">":
                return position + 1
            if character in ("'", '"'):
                closing = self._end_of_string(character, position + 1)
            elif character == "{":
                closing = self.braces.close(position)
            elif character == "\n" and not BLANK_LINE.match(self.text, position):
                closing = position + 1
            else:
                return None
            if closing is None:
                return None
            position = closing

    def _end_of_string(self, quote: str, position: int) -> int | None:
        end = self.text.find(quote, position, position + 10_000)
        return None if end < 0 or "\n\n" in self.text[position:end] else end + 1

    def _is_markup(self, tag: re.Match[str], attributes: str) -> bool:
        """A tag of HTML or a component, rather than `Array<string>` or a `<placeholder>`."""
        name = tag["name"]
        if name.lower() in HTML_NAMES or (self.mdx and (name[0].isupper() or "." in name)):
            return True
        return bool(
            tag["close"]
            or "=" in attributes
            or attributes.endswith("/>")
            or name in self.closed_names
        )

    def _end_of_raw_text(self, name: str, position: int) -> int:
        end = self._after(f"</{name}", position)
        closing = self.text.find(">", end) if end else -1
        return closing + 1 if closing >= 0 else position

    def _flatten(self, start: int) -> None:
        """Lines of <pre> are literal: a `#` there is no heading."""
        end = self._after("</pre", start)
        if end is not None:
            for line in re.finditer(r"^[ ]{0,3}[#>*+=-]", self.text[start:end], re.MULTILINE):
                self.structure.append((start + line.end() - 1, "x"))

    def _braces(self, start: int) -> int:
        if self.mdx or self.text[start + 1] in "/%":
            return self._expression(start)
        found = ATTRIBUTE_LIST.match(self.text, start)
        if found is None or (self.site_kind == PLAIN and self.text[start + 1] != ":"):
            return start + 1
        reach = max(0, start - 2_000)  # a line may have no end for megabytes
        line = self.text[self.text.rfind("\n", reach, start) + 1 or reach : start]
        at_end = TO_ITS_END.match(self.text, found.end())
        if line.lstrip(" \t>").startswith("#"):  # a heading's id is read with the heading
            return found.end() if "#" in found[0] else self._take(start, found.end())
        if at_end and (not line.strip(" \t>") or found[0].startswith("{:")):
            return self._take(start, at_end.end())
        return self._take(start, found.end() if line[-1:] in ATTRIBUTED else None)

    def _expression(self, start: int) -> int:
        if self.text.startswith("{/*", start):
            comment = self._after("*/", start + 3)
            closing = self.text.find("}", comment, comment + 100) if comment else -1
            return self._take(start, closing + 1 if closing >= 0 else None)
        if self.text.startswith("{%", start):
            closing = self.text.find("%}", start, start + 1000)
            return self._take(start, closing + 2 if closing >= 0 else None)
        if heading_id := HEADING_ID.match(self.text, start):
            return heading_id.end()
        if string := STRING_CHILD.match(self.text, start):  # {'text'} is shown as text
            self.spans += (start, string.start("text")), (string.end("text"), string.end())
            return string.end()
        end = self.braces.close(start)
        if end is not None and BLANK_LINE.search(self.text, start, end):
            flows = not self.text[self.text.rfind("\n", 0, start) + 1 : start].strip()
            end = end if flows else None
        return self._take(start, end)


def component_end(text: str, start: int) -> int | None:
    """Where the component whose tag begins here ends: its own `/>`, or its closing tag."""
    tag = TAG.match(text, start)
    end = InlineMarkup(text, mdx=True)._end_of_tag(tag.end()) if tag else None
    if tag is None or end is None or text.startswith("/>", end - 2):
        return end
    closing = re.compile(rf"</{re.escape(tag['name'])}\s*>").search(text, end)
    return closing.end() if closing else end
