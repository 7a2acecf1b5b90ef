"""Runs a parser in a throw-away process: one for each file, nothing in its environment, and killed
with all that it started when the answer is there or its time is over.

A fresh interpreter, not a fork: nothing of this process, its connections and its keys is in it.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import IO

from ingestion.parsing import wire
from ingestion.parsing.base import ParsedDocument, ParseError
from ingestion.parsing.walls import Limits

ROOT = Path(__file__).resolve().parents[2]
# -I keeps the environment and the working folder out of the path, so the root comes by argument;
# it leaves the path again once the package is known, for no parser needs what else lies there.
START = (
    "import sys; root, *limits = sys.argv[1:]; sys.path.insert(0, root); "
    "from ingestion.parsing.child import Limits, main; sys.path.remove(root); "
    "main(Limits(*map(int, limits)))"
)
COMMAND = (sys.executable, "-I", "-B", "-X", "utf8", "-c", START, str(ROOT))
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGTRAP}
DEFAULT_LIMITS = Limits()


def run_in_child(
    parser: str, content: bytes, *, key: str, limits: Limits = DEFAULT_LIMITS
) -> ParsedDocument:
    """`parser` is a name from child.PARSERS. Raises ParseError."""
    header = json.dumps({"parser": parser, "key": key}).encode() + b"\n"
    numbers = (limits.memory, limits.computing, limits.seconds, limits.answer)
    try:
        with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile() as given:
            given.write(header + content)
            given.seek(0)
            child = subprocess.Popen(  # noqa: S603 the command is ours
                [*COMMAND, *map(str, numbers)],
                stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                cwd=empty, env={}, start_new_session=True,
            )  # fmt: skip
            return _answer(child, limits)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ParseError(f"no process could be started to parse it: {reason}") from error


def _answer(child: subprocess.Popen[bytes], limits: Limits) -> ParsedDocument:
    assert child.stdout is not None  # noqa: S101 for the type checker
    with child.stdout as stream:
        try:
            answer = _read(stream, limits)
        finally:
            # Not yet waited for, so the number still means this group and no other.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            status = child.wait()
    if not answer.endswith(wire.END):
        raise ParseError(_why(status, limits))
    return wire.unpacked(answer)


def _read(stream: IO[bytes], limits: Limits) -> bytes:
    """All it says, until it closes its end, says too much, or its time is over."""
    pieces: list[bytes] = []
    size, end = 0, monotonic() + limits.seconds
    with selectors.DefaultSelector() as ready:
        ready.register(stream, selectors.EVENT_READ)
        while ready.select(max(0, end - monotonic())):
            piece = os.read(stream.fileno(), 1 << 20)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            size += len(piece)
            if size > limits.answer:
                raise ParseError(f"holds more text than the {limits.answer >> 20} MB allowed")
    raise ParseError(f"takes longer than the {limits.seconds} seconds allowed to parse")


def _why(status: int, limits: Limits) -> str:
    if status == -signal.SIGXCPU:
        return f"needs more than the {limits.computing} seconds of computing allowed to parse"
    if -status in CRASHES:
        name = signal.Signals(-status).name
        return f"makes its parser crash or need more than {limits.memory >> 20} MB ({name})"
    return f"its parser ended without an answer (status {status})"
