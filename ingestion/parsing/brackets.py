"""Matching `{` and `}` in JavaScript, once over the text however often it is asked."""

import re

# An escape, strings, braces, and a code fence, at which any expression has gone wrong.
TOKEN = re.compile(
    r"\\."
    r"|'(?:[^'\\\n]|\\.)*'"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|[{}`]"
    r"|/\*"
    r"|(?<!:)//[^\n]*"
    r"|\n[ \t]*(?:```|~~~)"
)
TEMPLATE = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)


class Braces:
    """Where the brace at a position closes. Each answer also settles all braces met on the way."""

    def __init__(self, text: str):
        self.text = text
        self.known: dict[int, int | None] = {}
        self.last_comment_end = text.rfind("*/")

    def close(self, position: int) -> int | None:
        """The position after the brace that closes the one at `position`; None if none does."""
        if position not in self.known:
            self._match(position)
        return self.known[position]

    def _match(self, position: int) -> None:
        stack: list[int] = []
        while token := TOKEN.search(self.text, position):
            position = token.end()
            match token[0][0]:
                case "{":
                    if self.known.get(token.start(), 0) is None:
                        break  # an earlier attempt found that nothing closes from here on
                    stack.append(token.start())
                case "}":
                    self.known[stack.pop()] = position
                    if not stack:
                        return
                case "\n":
                    break
                case "`":
                    template = TEMPLATE.match(self.text, token.start())
                    position = template.end() if template else position
                case "/" if token[0] == "/*" and position <= self.last_comment_end:
                    position = self.text.index("*/", position) + 2
        self.known.update(dict.fromkeys(stack))
