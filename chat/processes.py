"""Which process of ours answers, and whether another one still lives.

Each holds a lock on a file, which goes with it however it ends: the others of its machine know at
once. With Redis a process also says there that it lives, for as long as it answers.
"""

import fcntl
import os
import threading
from functools import cache
from pathlib import Path
from typing import IO
from uuid import uuid4

from django.conf import settings

FOLDER = "processes"  # in VAR_DIR
_naming = threading.Lock()
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
    with _naming:  # two threads would make two names, and one lock
        return _named(os.getpid())  # a fork is another process


def sweep() -> None:
    """Remove the files of processes that have ended."""
    for file in (settings.VAR_DIR / FOLDER).glob("*"):
        _lives(file, sweeping=True)


def lives(process: str) -> bool | None:
    """Whether that process of this machine lives; None: no file here tells of it."""
    return _lives(settings.VAR_DIR / FOLDER / process) if process else None


def _lives(path: Path, *, sweeping: bool = False) -> bool | None:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if sweeping:  # while it is locked: it may be of one that is just beginning
                path.unlink(missing_ok=True)
            return False
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return None
