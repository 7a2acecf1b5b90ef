"""What a MkDocs page takes from files: `--8<--` snippets, `{! file !}`, and `{* code.py *}`."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from ingestion.parsing.routes import Inclusions, located

FENCE = re.compile(r"[ \t>]*(?:[-*+][ \t]+)?(?P<ticks>`{3,}|~{3,})(?P<info>[^\n]*)")
SNIPPET = re.compile(
    r"(?P<space>[ \t]*)-+8<-+[ \t]+(?P<quote>[\"'])(?P<file>[^\"'\n]+)(?P=quote)[ \t]*"
)
BLOCK = re.compile(r"(?P<space>[ \t]*)-+8<-+[ \t]*")
PART = re.compile(
    r"(?P<path>[^:]+)(?::(?P<first>\d*)(?::(?P<last>\d*))?|:(?P<section>[A-Za-z][\w-]*))?"
)
SECTION = re.compile(
    r"-+8<-+[ \t]+\[[ \t]*(?P<edge>start|end)[ \t]*:[ \t]*(?P<name>[\w-]+)[ \t]*\]"
)
CODE = re.compile(r"(?P<space>[ \t]*)\{\*[ \t]*(?P<path>[^\s*]+)(?P<options>[^\n]*?)\*\}[ \t]*")
TEXT = re.compile(r"(?P<space>[ \t]*)\{![ \t]*>?[ \t]*(?P<path>[^\s!|]+)[^\n]*?!\}[ \t]*")
LINES = re.compile(r"\bln\[(?P<lines>[\d:,\s]+)\]")


def with_snippets(
    text: str,
    *,
    key: str,
    folders: Sequence[str],
    inclusions: Inclusions,
    chain: tuple[str, ...] = (),
) -> str:
    """`folders` are where the paths may begin, in this order."""
    if not any(mark in text for mark in ("8<", "{*", "{!")):
        return text
    chain = chain or (key,)
    done: list[str] = []
    fence = ""  # the ticks of the code that is open
    block = False  # between two lines of `--8<--`

    def taken(path: str, named: str) -> tuple[str, tuple[str, ...]] | None:
        found = inclusions.text(
            [located(folder, path) for folder in dict.fromkeys(folders)], chain=chain, named=named
        )
        return (found.text, found.chain) if found else None

    def snippet(file: str, space: str) -> None:
        part = PART.fullmatch(file.strip())
        found = taken(part["path"], f"snippet {file}") if part else None
        if part and found:
            inner = with_snippets(
                _part_of(found[0], part), key=key, folders=folders, inclusions=inclusions,
                chain=found[1],
            )  # fmt: skip
            done.extend(space + line if line else "" for line in inner.rstrip("\n").split("\n"))

    for line in text.split("\n"):
        if block:
            if BLOCK.fullmatch(line):
                block = False
            elif line.strip() and not line.lstrip().startswith(";"):
                snippet(line, line[: len(line) - len(line.lstrip())])
            continue
        if "8<" in line and (match := SNIPPET.fullmatch(line)):
            snippet(match["file"], match["space"])
            continue
        if "8<" in line and BLOCK.fullmatch(line):
            block = True
            continue
        if "{*" in line and (match := CODE.fullmatch(line)):
            if found := taken(match["path"], f"code {match['path']}"):
                code = _lines_of(found[0], match["options"])
                done.extend(match["space"] + row for row in _fenced(code, match["path"], fence))
            continue
        if "{!" in line and (match := TEXT.fullmatch(line)):
            if found := taken(match["path"], f"file {match['path']}"):
                done.extend(match["space"] + row for row in found[0].rstrip("\n").split("\n"))
            continue
        if "```" in line or "~~~" in line:
            fence = _fence_after(line, fence)
        done.append(line)
    return "\n".join(done)


def _fence_after(line: str, fence: str) -> str:
    match = FENCE.fullmatch(line)
    if match is None:
        return fence
    if not fence:
        return match["ticks"]
    closes = match["ticks"].startswith(fence) and not match["info"].strip()
    return "" if closes else fence


def _fenced(code: str, path: str, fence: str) -> list[str]:
    rows = code.strip("\n").split("\n")
    if fence:  # it stands in a listing already
        return rows
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    ticks = "`" * (longest + 1)
    return [f"{ticks}{PurePosixPath(path).suffix[1:]}", *rows, ticks]


def _lines_of(text: str, options: str) -> str:
    """`ln[2:4,8]`: these lines only; `hl[…]` only colours some."""
    match = LINES.search(options)
    if match is None:
        return text
    rows = text.split("\n")
    kept: list[str] = []
    for part in match["lines"].replace(" ", "").split(",")[:100]:
        first, colon, last = part.partition(":")
        start = max(int(first or 1), 1)
        kept += rows[start - 1 : (int(last) if last else len(rows)) if colon else start]
    return "\n".join(kept)


def _part_of(text: str, part: re.Match[str]) -> str:
    """The lines or the section asked for; lines that mark sections never show."""
    rows = text.split("\n")
    if part["section"]:
        kept, inside = [], False
        for row in rows:
            edge = SECTION.search(row) if "8<" in row else None
            if edge and edge["name"] == part["section"]:
                inside = edge["edge"] == "start"
            elif inside and not edge:
                kept.append(row)
        return "\n".join(kept)
    if part["first"] is not None:
        last = part["last"]
        rows = rows[max(int(part["first"] or 1), 1) - 1 : int(last) if last else None]
    return "\n".join(row for row in rows if "8<" not in row or not SECTION.search(row))
