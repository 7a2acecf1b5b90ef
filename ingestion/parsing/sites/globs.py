"""Glob patterns as the generators write them: `**/_*.{md,mdx}`."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

BRACES = re.compile(r"\{([^{}]*)\}")
ALTERNATIVES_LIMIT = 100


def matches_any(path: str, patterns: Iterable[str]) -> bool:
    return any(_matches(path, one) for pattern in patterns for one in _alternatives(pattern))


def _matches(path: str, pattern: str) -> bool:
    if "**" not in pattern:  # a star that does not cross folders
        return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)
    # With a slash in front, `**/` may stand for no folder at all.
    return fnmatchcase("/" + path, ("/" + pattern).replace("/**/", "*/").replace("**", "*"))


def _alternatives(pattern: str) -> list[str]:
    found = [pattern]
    while (braces := BRACES.search(found[0])) and len(found) < ALTERNATIVES_LIMIT:
        found = [
            one.replace(braces[0], choice, 1) for one in found for choice in braces[1].split(",")
        ]
    return found[:ALTERNATIVES_LIMIT]
