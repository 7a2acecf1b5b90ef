"""What a model writes as Markdown, made harmless as it streams: nothing in it leads anywhere.

Clients render answers themselves, and a model may say whatever a document told it to. So links are
reduced to their text, pictures left out, addresses shown as code, and the `<` of a tag as `&lt;`;
the only links of an answer are its citations, which are data beside the text. Code that is surely
code stays as it is; where readers of Markdown may differ about that, it is no code.

Well-formed links are made readable. The promise rests on less: outside of code, no `](`, no `]:`,
no `<` before a name, no bare address, and no backtick without a partner on its line comes out.
"""

import re
from dataclasses import dataclass, field

LONGEST_TEXT = 200  # characters of a link's text that are waited for
LONGEST = 600  # of an address, or of a line that may open a fence
# Tag characters, marks of direction, spaces of no width; not the joiners that scripts need.
INVISIBLE = re.compile(
    "[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)

# --- Inside a line ---
SCHEME = r"(?:(?:https?|ftps?|wss?|file)://|www\.|(?<![\w:/])//(?=\w))"
SCHEME_BEGUN = (
    r"(?:h(?:t(?:t(?:ps?(?::/?)?)?)?)?|f(?:t(?:ps?(?::/?)?)?|i(?:le?(?::/?)?)?)?|w{2,3}|w(?:ss?(?::/?)?)?"
    r"|//?)\Z"
)
SPECIAL = re.compile(rf"[\\`\[\]!<\n]|~{{3,}}|~{{1,2}}\Z|{SCHEME}|{SCHEME_BEGUN}", re.IGNORECASE)
ADDRESS = re.compile(rf"{SCHEME}[^\s<>`|\\]+", re.IGNORECASE)
AFTER_AN_ADDRESS = ".,;:!?'\"*_~)]}"
# In angle brackets, of any scheme.
AUTOLINK = re.compile(r"<([a-z][a-z0-9+.-]{1,31}:[^\s<>`|\\]*)>", re.IGNORECASE)
AUTOLINK_BEGUN = re.compile(
    rf"<(?:[a-z][a-z0-9+.-]{{0,31}}(?::[^\s<>`|\\]{{0,{LONGEST}}})?)?\Z", re.IGNORECASE
)
NO_TAG = re.compile(r"<(?:[\s\d=-]|\Z)")
INNER = r"!?\[[^\[\]\n]*\](?:\([^()\n]*\))?"  # a link's text may hold a picture, or brackets
LINK = re.compile(rf"(!?)\[((?:[^\[\]\n\\]|\\.|{INNER})*)\]\((?:[^()\n\\]|\\.|\([^()\n]*\))*\)")
SPAN = re.compile(r"(`+)(?!`)([^\n]*?[^`\n])\1(?!`)")
TICKS = re.compile(r"`+")
ACTIVE = re.compile(rf"\][(:]|<[a-z/!?]|{SCHEME}", re.IGNORECASE)
LIKE_MARKERS = re.compile(r"(?:[a-z]\d[a-z]|\d{1,3}|none)(?:\s*,\s*(?:[a-z]\d[a-z]|\d{1,3}))*")

# --- Lines ---
BLANK = " \t"
FENCE = re.compile(r" *(`{3,}(?=[^`]*\Z)|~{3,})")
PERHAPS_FENCE = re.compile(r"[ \t]*\Z| *(?:`{1,2}\Z|`{3}|~{1,2}\Z|~{3})")
PERHAPS_CLOSING = re.compile(r"[ \t]*(?:`*|~*)[ \t]*\Z")
ITEM = re.compile(r" *(?:[-*+]|(\d{1,9})[.)]) {1,4}(?=\S)")
PERHAPS_ITEM = re.compile(r" *(?:[-*+]|\d{1,9}[.)]?) {0,4}\Z")


@dataclass
class Disarmer:
    """Feed it a model's text; it returns what may be shown of it by now."""

    removed: dict[str, int] = field(default_factory=dict)  # links, images, addresses, tags
    _held: str = ""
    _out: list[str] = field(default_factory=list)
    _last: str = ""  # the character that came out last
    _line_start: bool = True
    _after_blank: bool = True
    _items: list[int] = field(default_factory=list)  # the column where each open one's text begins
    _fence: str = ""
    _fence_indent: int = 0
    _doubtful: bool = False  # whether it is code depends on who reads it: nothing is, from here on
    _bar_in_code: bool = False  # on this line, which may be a row of a table

    def feed(self, text: str) -> str:
        self._held += INVISIBLE.sub("", text).replace("\r", "\n")
        return self._advance(final=False)

    def finish(self) -> str:
        return self._advance(final=True)

    def _advance(self, *, final: bool) -> str:
        while self._held and self._step(final):
            pass
        shown, self._out = "".join(self._out), []
        return shown

    def _step(self, final: bool) -> bool:
        """Deal with what comes next; False: more must be known first."""
        if self._line_start and not self._line_begins(final):
            return False
        if self._line_start or not self._held:
            return True  # a fence has closed: the next line begins
        return self._code() if self._fence else self._prose(final)

    # --- Lines --------------------------------------------------------------------------------

    def _line_begins(self, final: bool) -> bool:
        line, newline, _rest = self._held.partition("\n")
        if not (newline or final) and self._must_see_more(line):
            if len(line) <= LONGEST:
                return False
            self._doubtful, self._fence = True, ""
        self._line_start = self._bar_in_code = False
        if self._fence:
            self._perhaps_closes(line)
        elif line.strip(BLANK) and not self._doubtful:
            self._perhaps_opens(line)
        self._after_blank = not line.strip(BLANK)
        return True

    def _must_see_more(self, line: str) -> bool:
        if self._fence:
            return bool(PERHAPS_CLOSING.match(line))
        return bool(PERHAPS_FENCE.match(line) or PERHAPS_ITEM.match(line))

    def _perhaps_opens(self, line: str) -> None:
        """A fence or a list's item, as CommonMark has them, seen no deeper than it is sure of."""
        indent, in_list = _indent(line), bool(self._items)
        while self._items and indent < self._items[-1]:
            self._items.pop()
        if indent - (self._items[-1] if self._items else 0) > 3:
            return
        item = ITEM.match(line)
        if fence := FENCE.match(line):
            self._fence, self._fence_indent = fence[1], indent
        # In the middle of a paragraph only a bullet, or the number 1, begins a list.
        elif item and (self._after_blank or in_list or item[1] in (None, "1")):
            self._items.append(item.end())

    def _perhaps_closes(self, line: str) -> None:
        text = line.strip(BLANK)
        if text and _indent(line) < self._fence_indent:
            # The item that the fence was in has ended, and the code with it; or it was in none.
            self._fence, self._doubtful = "", True
        elif text.startswith(self._fence) and not text.strip(self._fence[0]):
            self._doubtful = _indent(line) - self._fence_indent > 3
            self._code()
            self._fence = ""

    def _code(self) -> bool:
        line, newline, self._held = self._held.partition("\n")
        self._out.append(line + newline)
        self._last = (line + newline)[-1:]
        self._line_start = bool(newline)
        return True

    # --- Prose --------------------------------------------------------------------------------

    def _prose(self, final: bool) -> bool:
        special = SPECIAL.search(self._held)
        at = special.start() if special else len(self._held)
        if at:
            return self._take(at)
        match self._held[0]:
            case "\n":
                self._line_start = True
                return self._take(1)
            case "\\":
                return self._escape(final)
            case "`":
                return self._ticks(final)
            case "~":
                return self._tildes(final)
            case "[" | "!":
                return self._link(final)
            case "]":
                return self._take(1)
            case "<":
                return self._angle(final)
            case _:
                return self._address(final)

    def _escape(self, final: bool) -> bool:
        if len(self._held) == 1 and not final:
            return False
        follows = self._held[1:2]
        escaped = follows.isascii() and follows.isprintable() and not follows.isalnum()
        return self._take(2 if escaped and follows != " " else 1)

    def _ticks(self, final: bool) -> bool:
        span = None if self._doubtful else SPAN.match(self._held)
        if span and span.end() == len(self._held) and not final:
            return False  # another backtick would make it something else
        if span and (not ACTIVE.search(span[2]) or not (self._bar_in_code or "|" in span[2])):
            self._bar_in_code = self._bar_in_code or "|" in span[2]
            return self._replace(span.end(), span[0])
        line_known = final or self._doubtful or "\n" in self._held or len(self._held) > LONGEST
        if not span and not line_known:
            return False
        ticks = TICKS.match(self._held)
        length = ticks.end() if ticks else 1
        return self._replace(length, "\\`" * length)  # so that it finds no partner later on

    def _tildes(self, final: bool) -> bool:
        tildes = len(self._held) - len(self._held.lstrip("~"))
        if tildes == len(self._held) < LONGEST_TEXT and not final:
            return False
        return self._replace(tildes, "\\~" * tildes) if tildes > 2 else self._take(tildes)

    def _link(self, final: bool) -> bool:
        if not (link := LINK.match(self._held)):
            return False if not final and self._may_become_a_link() else self._take(1)
        self._count("images" if link[1] else "links")
        text = "" if link[1] else link[2]
        if self._last.isalnum() or self._last in ("/", ":", "."):
            self._show(" ")  # nothing grows together around what is left out
        if LIKE_MARKERS.fullmatch(text.strip()):
            return self._replace(link.end(), f"[{text}]")  # chat/citations.py decides what it is
        self._held = text + self._held[link.end() :]
        return True

    def _may_become_a_link(self) -> bool:
        line, newline, _rest = self._held.removeprefix("!").partition("\n")
        if newline or len(line) > LONGEST:
            return False
        text_ends = _closing(line, "[", "]")
        if text_ends is None:
            return len(line) <= LONGEST_TEXT
        after = line[text_ends:]
        return not after or (after[0] == "(" and _closing(after, "(", ")") is None)

    def _angle(self, final: bool) -> bool:
        if link := AUTOLINK.match(self._held):
            return self._replace_address(link.end(), link[1])
        if not final and AUTOLINK_BEGUN.match(self._held):
            return False
        if NO_TAG.match(self._held):
            return self._take(1)
        self._count("tags")
        return self._replace(1, "&lt;")

    def _address(self, final: bool) -> bool:
        if not (address := ADDRESS.match(self._held)):
            begun = SPECIAL.fullmatch(self._held) and not final
            return False if begun else self._take(1)
        if address.end() == len(self._held) <= LONGEST and not final:
            return False
        shown = address[0].rstrip(AFTER_AN_ADDRESS) or address[0]
        return self._replace_address(len(shown), shown)

    # --- Out ----------------------------------------------------------------------------------

    def _take(self, length: int) -> bool:
        return self._replace(length, self._held[:length])

    def _replace_address(self, length: int, address: str) -> bool:
        self._count("addresses")
        # Beside a bar in code, a backtick may find a partner in another cell.
        return self._replace(length, "…" if self._bar_in_code else f"`{address}`")

    def _replace(self, length: int, text: str) -> bool:
        self._held = self._held[length:]
        self._show(text)
        return True

    def _show(self, text: str) -> None:
        """Keep apart what would mean something together."""
        pair = self._last + text[:1]
        if pair in ("](", "]:"):
            self._count("links")
        if pair in ("](", "]:", "``", "\\`"):
            self._out.append(" ")
        self._out.append(text)
        self._last = text[-1:]

    def _count(self, what: str) -> None:
        self.removed[what] = self.removed.get(what, 0) + 1


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _closing(text: str, opening: str, closing: str) -> int | None:
    """Where the bracket that the text begins with has been closed; None: not yet."""
    depth, escaped = 0, False
    for at, character in enumerate(text):
        if escaped or character == "\\":
            escaped = not escaped
            continue
        depth += (character == opening) - (character == closing)
        if not depth:
            return at + 1
    return None
