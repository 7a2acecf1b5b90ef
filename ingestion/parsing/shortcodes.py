"""Hugo's shortcodes: `{{< name >}}` and `{{% name %}}`, which it replaces even inside of code."""

import re
from dataclasses import dataclass

from ingestion.parsing.base import Span

OPENER = re.compile(r"\{\{(?P<mark>[<%])")
LENGTH_LIMIT = 5_000
WORDS = re.compile(r"\S+")
LANGUAGE = re.compile(r"[\w+#-]{1,8}")  # it has to fit into the room of the shortcode


@dataclass(frozen=True)
class Code:
    """`{{< highlight go >}}…{{< /highlight >}}`: what stands between is code."""

    language: str
    closer: int  # where the closing shortcode begins


class Shortcodes:
    """`spans` are markup; `code` maps where a highlighted listing opens to what it holds."""

    def __init__(self, text: str):
        self.spans: list[Span] = []
        self.code: dict[int, Code] = {}
        opened: tuple[int, str] | None = None
        for opener in OPENER.finditer(text):
            start, inner = opener.span()
            closing = ("%" if opener["mark"] == "%" else ">") + "}}"
            end = text.find(closing, inner, inner + LENGTH_LIMIT)
            if end < 0:
                continue
            body = text[inner:end].strip()
            if body.startswith("/*") and body.endswith("*/"):  # shown as it stands, less the stars
                comment = text.index("/*", inner)
                last = text.rindex("*/", inner, end)
                self.spans += (comment, comment + 2), (last, last + 2)
                continue
            self.spans.append((start, end + len(closing)))
            name, *arguments = WORDS.findall(body)[:2] or [""]
            if name == "highlight":
                language = LANGUAGE.fullmatch(arguments[0].strip("\"'")) if arguments else None
                opened = (start, language[0] if language else "")
            elif opened and body.replace(" ", "") == "/highlight":
                if "\n" in text[opened[0] : start]:
                    self.code[opened[0]] = Code(opened[1], start)
                opened = None
