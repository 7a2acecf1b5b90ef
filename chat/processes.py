"""Which process of ours answers, and whether another one still lives.

With Redis a process says so there, for as long as it answers. Without, all processes are on one
machine, and each holds a lock on a file that goes with it, however it ends.
"""

import fcntl
import os
from functools import cache
from typing import IO
from uuid import uuid4

from django.conf import settings

FOLDER = "processes"  # in VAR_DIR
_held: dict[int, IO[str]] = {}  # open for as long as the process lives


@cache
def _named(pid: int) -> str:
    folder = settings.VAR_DIR / FOLDER
    folder.mkdir(exist_ok=True)
    while True:
        path = folder / uuid4().hex
        _held[pid] = file = path.open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():  # nobody has swept it away before it was locked
            return path.name


def this_process() -> str:
    """Its name, which no other process ever has."""
    return _named(os.getpid())  # a fork is another process


def sweep() -> None:
    """Remove the files of processes that have ended."""
    for file in (settings.VAR_DIR / FOLDER).glob("*"):
        holds_its_lock(file.name)


def holds_its_lock(process: str) -> bool:
    """Whether that process of this machine lives. The file of one that does not is removed."""
    if not process:
        return False  # written before processes had names
    path = settings.VAR_DIR / FOLDER / process
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
