"""Parses and chunks a group of hostile files, then good ones; says what became of each as JSON.

python -m tests.hostile.run GROUP [part of a name]
"""

import json
import os
import resource
import sys
import tempfile
from pathlib import Path

from ingestion.chunking import chunk_by_section
from ingestion.loaders.base import RawDocument
from ingestion.parsing import ParseError, parse
from ingestion.parsing.formats import media_type_of
from tests.hostile.case import Case
from tests.hostile.cases import GOOD, GROUPS

UNIT = 1 << 20 if sys.platform == "darwin" else 1 << 10  # of ru_maxrss, for megabytes


def outcome(name: str, case: Case) -> dict[str, object]:
    content = made(case)
    raw = RawDocument(case.key, content, media_type_of(case.key) or "", "/a")
    # What it computes, here and in the child, whatever else the machine is busy with.
    started = sum(os.times()[:4])
    try:
        chunks = chunk_by_section(parse(raw))
        leaked = any("root:x:" in chunk.text for chunk in chunks)  # of /etc/passwd
        found: dict[str, object] = {"chunks": len(chunks), "leaked": leaked}
    except ParseError as error:
        found = {"error": str(error)}
    seconds = round(sum(os.times()[:4]) - started, 2)
    return {"name": name, "seconds": seconds, "megabytes": megabytes(), **found}


def made(case: Case) -> bytes:
    """By a child, or the peak of memory would be that of making a bomb."""
    with tempfile.TemporaryFile() as file:
        if not (child := os.fork()):
            file.write(case.content())
            file.flush()
            os._exit(0)
        os.waitpid(child, 0)
        file.seek(0)
        return file.read()


def megabytes() -> int:
    """The peak of all so far, of this process and of its largest child together.

    A child that never grew beyond its parent is counted as nothing: until it begins to run its own
    program, its parent's peak passes for its own.
    """
    own, child = own_peak(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // UNIT
    return own + (child if child > own else 0)


def own_peak() -> int:
    """Of this program alone: `ru_maxrss` still holds the peak of whoever started it."""
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // UNIT
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) >> 10


def say(found: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def main(group: str, part: str = "") -> None:
    for name, case in GROUPS[group].items():
        if part in name:
            say(outcome(name, case))
    for name, case in GOOD.items():
        say(outcome(name, case))


if __name__ == "__main__":
    main(*sys.argv[1:])
