"""Whether two replies are the same, but for what was asked about."""

import re
from collections.abc import Iterable
from itertools import takewhile
from urllib.parse import quote

from tests.campaigns.matrix.calls import Reply

# What differs between two replies to the same request.
VARYING = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])"), "<hex>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)?"), "<time>"),
    (re.compile(r'"timings": ?{[^}]*}'), "<timings>"),
    (re.compile(r"(?<!\w)[A-Za-z0-9]{64}(?!\w)"), "<form>"),
    (re.compile(r"nonce-[\w+/=-]+|nonce=\"[^\"]*\""), "<nonce>"),
    (re.compile(r'"created": ?\d{9,}'), "<created>"),
    (re.compile(r"[\w-]+:[\w-]{5,}:[\w-]{27,}"), "<signed>"),
    (re.compile(r"csrftoken=\w+|visitor=\"?[\w:-]+\"?|sessionid=\w+"), "<cookie>"),
)
SAID = ("location", "etag", "content-disposition", "link", "content-type", "allow",
        "www-authenticate", "retry-after")  # fmt: skip


def shape(reply: Reply, named: Iterable[str]) -> tuple[object, ...]:
    """Status, names of headers, what the telling ones say, and the body; `named` are the ids that
    were sent."""
    names = sorted({name for name, _ in reply.headers})
    said = [(name, alike(value, named)) for name, value in reply.headers if name in SAID]
    return reply.status, names, said, alike(reply.body, named)


def alike(text: str, named: Iterable[str]) -> str:
    """Without what two replies to the same request may differ in."""
    for value in sorted(named, key=len, reverse=True):
        for written in {value, quote(value), quote(value, safe="")}:
            text = text.replace(written, "<sent>")
    for pattern, name in VARYING:
        text = pattern.sub(name, text)
    return text


def difference(one: tuple[object, ...], other: tuple[object, ...]) -> str:
    for name, mine, theirs in zip(("status", "headers", "said", "body"), one, other, strict=True):
        if mine != theirs:
            one, two = str(mine), str(theirs)
            same = takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False))
            at = max(0, sum(1 for _ in same) - 60)
            return f"{name}: …{one[at : at + 250]} for missing …{two[at : at + 250]}"
    return ""
