"""Values out of a JavaScript configuration, read without running it.

Literals, variables, `a ?? b`, `a || b`, `a ? b : c` and `process.env` (taken as
empty, as on nobody's machine in particular) are understood; whatever else is UNKNOWN.
"""

import re
from collections.abc import Mapping
from typing import Any

SIZE_LIMIT = 300_000  # characters
DEPTH_LIMIT = 40
LENGTH_LIMIT = 10_000  # of a list or a string that grows out of others

TOKEN = re.compile(
    r"//[^\n]*|/\*.*?(?:\*/|\Z)"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)"
    r"|(?P<name>[A-Za-z_$][\w$]*)|(?P<number>\d[\w.]*)"
    r"|(?P<mark>\.\.\.|=>|===|!==|==|!=|\?\?|\?\.|\|\||&&|[^\s\w])",
    re.DOTALL,
)
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
CONSTANTS = {"true": True, "false": False, "null": None, "undefined": None}
BINARY = {"??": 1, "||": 1, "&&": 2, "===": 3, "!==": 3, "==": 3, "!=": 3, "+": 4}
ENDS = (",", ")", "]", "}", ";", ":")
CLOSERS = {"(": ")", "[": "]", "{": "}"}


class Unknown:
    """A value that only running the script would tell."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


class Script:
    def __init__(self, source: str):
        self.tokens = [
            (str(match.lastgroup), match[0])
            for match in TOKEN.finditer(source[:SIZE_LIMIT])
            if match.lastgroup
        ]
        self.closing = self._brackets()
        self.variables = self._assignments()
        self.depth = 0
        # Each variable is read once; one that is being read is UNKNOWN to itself.
        self.values: dict[str, Any] = {}

    def best_object(self, names: frozenset[str]) -> Mapping[str, Any]:
        """The object that has most of these keys: the configuration, however it is exported."""
        best: Mapping[str, Any] = {}
        for index, token in enumerate(self.tokens):
            if token != ("mark", "{") or self._word(index - 1) not in (
                "=",
                "default",
                "return",
                "(",
            ):
                continue
            keys = self._own_names(index)
            if len(keys & names) > len(best.keys() & names):
                value = self._object(index)
                best = value if len(value.keys() & names) > len(best.keys() & names) else best
        return best

    # Structure

    def _brackets(self) -> dict[int, int]:
        """Index of each opening bracket to that of the one that closes it."""
        closing: dict[int, int] = {}
        stack: list[int] = []
        for index, (kind, word) in enumerate(self.tokens):
            if kind != "mark":
                continue
            if word in CLOSERS:
                stack.append(index)
            elif word in (")", "]", "}"):
                while stack:
                    opener = stack.pop()
                    if CLOSERS[self.tokens[opener][1]] == word:
                        closing[opener] = index
                        break
        return closing

    def _assignments(self) -> dict[str, int]:
        """Where the value of each `const`, `let` or `var` begins."""
        found: dict[str, int] = {}
        for index, token in enumerate(self.tokens[:-3]):
            if token[0] == "name" and token[1] in ("const", "let", "var"):
                equals = next(
                    (at for at in range(index + 2, min(index + 20, len(self.tokens)))
                     if self.tokens[at] == ("mark", "=")), None,
                )  # fmt: skip
                if equals:
                    found.setdefault(self.tokens[index + 1][1], equals + 1)
        return found

    def _word(self, index: int) -> str:
        return self.tokens[index][1] if 0 <= index < len(self.tokens) else ""

    def _is(self, index: int, *marks: str) -> bool:
        return 0 <= index < len(self.tokens) and (
            self.tokens[index][0] == "mark" and self.tokens[index][1] in marks
        )

    def _after(self, index: int) -> int:
        """The index after the bracket that closes the one here."""
        return self.closing.get(index, len(self.tokens)) + 1

    def _end_of_value(self, index: int) -> int:
        """Where the list, object or statement goes on."""
        while index < len(self.tokens) and not self._is(index, *ENDS):
            index = self._after(index) if self._is(index, *CLOSERS) else index + 1
        return index

    def _own_names(self, index: int) -> set[str]:
        names, at = set(), index + 1
        end = self.closing.get(index, len(self.tokens))
        while at < end:
            if self.tokens[at][0] == "name":
                names.add(self.tokens[at][1])
            at = self._after(at) if self._is(at, *CLOSERS) else at + 1
        return names

    # Values

    def _value(self, index: int) -> tuple[Any, int]:
        if self.depth > DEPTH_LIMIT:
            return UNKNOWN, self._end_of_value(index)
        self.depth += 1
        try:
            value, at = self._binary(index, 0)
            if self._is(at, "?"):
                chosen, at = self._value(at + 1)
                other, at = self._value(at + 1) if self._is(at, ":") else (UNKNOWN, at)
                # Nothing known decides: the second is what is left when no special case holds.
                value = chosen if value is not UNKNOWN and value else other
            elif self._word(at) in ("as", "satisfies"):
                at = self._end_of_value(at)
            elif at < len(self.tokens) and not self._is(at, *ENDS):
                # A new statement may begin here without a semicolon; a value that goes on is lost.
                if self.tokens[at][0] == "mark":
                    value = UNKNOWN
                at = self._end_of_value(at)
            return value, at
        finally:
            self.depth -= 1

    def _binary(self, index: int, least: int) -> tuple[Any, int]:
        value, at = self._operand(index)
        while self._is(at, *BINARY) and BINARY[self._word(at)] > least:
            operator = self._word(at)
            right, at = self._binary(at + 1, BINARY[operator])
            value = _combined(operator, value, right)
        return value, at

    def _operand(self, index: int) -> tuple[Any, int]:
        if index >= len(self.tokens):
            return UNKNOWN, index
        kind, word = self.tokens[index]
        if kind == "string":
            text = UNKNOWN if word[0] == "`" and "${" in word else ESCAPE.sub(r"\1", word[1:-1])
            return self._chained(text, index + 1)
        if kind == "number":
            return (int(word) if word.isdigit() else UNKNOWN), index + 1
        if kind == "name":
            return self._named(index)
        match word:
            case "{":
                return self._object(index), self._after(index)
            case "[":
                return self._chained(self._list(index), self._after(index))
            case "(":
                after = self._after(index)
                if self._is(after, "=>"):
                    return UNKNOWN, self._end_of_value(after)
                value, _ = self._value(index + 1)
                return self._chained(value, after)
            case "!":
                value, at = self._deeper(index + 1)
                return (UNKNOWN if value is UNKNOWN else not value), at
        return UNKNOWN, self._end_of_value(index)

    def _deeper(self, index: int) -> tuple[Any, int]:
        if self.depth > DEPTH_LIMIT:
            return UNKNOWN, self._end_of_value(index)
        self.depth += 1
        try:
            return self._operand(index)
        finally:
            self.depth -= 1

    def _chained(self, value: Any, index: int) -> tuple[Any, int]:
        """`[…].filter(Boolean)` and the like leave the value as it is, near enough."""
        while self._is(index, ".", "?."):
            index += 2
            if self._is(index, "("):
                index = self._after(index)
        return value, index

    def _named(self, index: int) -> tuple[Any, int]:
        """A constant, a variable, a path like process.env.X, or a call."""
        word = self._word(index)
        if word in CONSTANTS:
            return CONSTANTS[word], index + 1
        if word in ("await", "new"):
            return self._deeper(index + 1)
        if word in ("function", "async", "class", "typeof"):
            return UNKNOWN, self._end_of_value(index)
        path, at = [word], index + 1
        while self._is(at, ".", "?.") and at + 1 < len(self.tokens):
            path.append(self._word(at + 1))
            at += 2
        if self._is(at, "=>"):
            return UNKNOWN, self._end_of_value(at)
        if self._is(at, "("):
            return self._call(path, at), self._after(at)
        if path[:2] == ["process", "env"]:
            return None, at
        return (self._variable(word) if len(path) == 1 else UNKNOWN), at

    def _call(self, path: list[str], index: int) -> Any:
        arguments = self._list(index)
        texts = [argument for argument in arguments if isinstance(argument, str)]
        if path[0] == "require":
            return texts[0] if texts else UNKNOWN
        if path[-1] in ("join", "resolve"):  # of path, from __dirname, which is the site's folder
            return "/".join(texts) if texts else UNKNOWN
        first = arguments[0] if arguments else UNKNOWN
        return first if isinstance(first, dict) else UNKNOWN  # defineConfig({…})

    def _variable(self, name: str) -> Any:
        if name in self.variables and name not in self.values:
            self.values[name] = UNKNOWN
            self.values[name] = self._value(self.variables[name])[0]
        return self.values.get(name, UNKNOWN)

    def _list(self, index: int) -> list[Any]:
        values: list[Any] = []
        end, at = self.closing.get(index, len(self.tokens)), index + 1
        while at < end:
            spread = self._is(at, "...")
            value, at = self._value(at + spread)
            if not spread:
                values.append(value)
            elif isinstance(value, list):
                values += value[:LENGTH_LIMIT]
            del values[LENGTH_LIMIT:]
            at += 1
        return values

    def _object(self, index: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        end, at = self.closing.get(index, len(self.tokens)), index + 1
        while at < end:
            kind, word = self.tokens[at]
            if kind == "mark" and word == "...":
                value, at = self._value(at + 1)
                found |= value if isinstance(value, dict) else {}
            elif kind in ("name", "string", "number") and self._is(at + 1, ":"):
                name = word[1:-1] if kind == "string" else word
                found[name], at = self._value(at + 2)
            elif kind == "name" and (self._is(at + 1, ",") or at + 1 == end):
                found[word] = self._variable(word)
                at += 1
            else:  # a method, a computed key
                at = self._end_of_value(at)
            at += 1
        return found


def _combined(operator: str, left: Any, right: Any) -> Any:
    if operator == "??" or (operator == "||" and left is UNKNOWN):
        return right if left is None or left is UNKNOWN else left
    if operator == "||":
        return left or right
    if operator == "&&":
        if left is UNKNOWN:
            return right if isinstance(right, dict | list) else UNKNOWN
        return right if left else left
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if operator == "+":
        texts = isinstance(left, str) and isinstance(right, str)
        return (left + right)[:LENGTH_LIMIT] if texts else UNKNOWN
    same = left == right and type(left) is type(right)
    return same if operator in ("===", "==") else not same
