"""What keeps a parser in: a process gives up, for good, whatever it does not need for parsing.

Each wall stands alone, because no system has all of them:

- limits on memory, computing time, written files and processes: everywhere (macOS does not hold
  memory; the superuser is not held by the number of processes);
- no network: a namespace of its own, on Linux where containers permit it;
- no file but Python's own may be opened, none written, no TCP (from 6.7) and no signal (from 6.12)
  may leave: Landlock, on Linux from 5.13, for native code too;
- the same asked of Python code by an audit hook: everywhere.
"""

import ctypes
import os
import resource
import sys
from contextlib import suppress
from dataclasses import dataclass

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
PR_SET_NO_NEW_PRIVS = 38
# The same numbers on every architecture.
LANDLOCK_CREATE_RULESET, LANDLOCK_ADD_RULE, LANDLOCK_RESTRICT_SELF = 444, 445, 446
READ_FILE, READ_DIRECTORY = 1 << 2, 1 << 3
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
FORBIDDEN = (
    "socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system",
    "os.startfile", "os.kill", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link",
    "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.putenv", "shutil.", "pty.", "ftplib.",
    "http.", "urllib.", "smtplib.", "webbrowser.", "ctypes.dlopen",
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """With what the parent holds (the bytes, the answer) it stays below a gigabyte."""

    memory: int = 640 << 20  # bytes of address space
    computing: int = 20  # seconds
    seconds: int = 25  # until it is killed, by the clock
    answer: int = 64 << 20  # bytes


def limit_resources(limits: Limits) -> None:
    """First of all: from here on the process cannot grow."""
    wanted = {
        "RLIMIT_AS": limits.memory,
        "RLIMIT_CPU": limits.computing,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CORE": 0,
    }
    for name, limit in wanted.items():
        with suppress(AttributeError, ValueError, OSError):  # not on this system
            # The signal for too much computing comes at the first number, the end at the second.
            hard = limit + 1 if name == "RLIMIT_CPU" else limit
            resource.setrlimit(getattr(resource, name), (limit, hard))


def leave_the_network() -> bool:
    """Must come while there is one thread. As the superuser the second form works, too."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return any(libc.unshare(flags) == 0 for flags in (CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWNET))


def close_the_files(readable: list[str]) -> bool:
    """Landlock: nothing may be opened but what lies in these folders, and that for reading."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(LANDLOCK_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    file_rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)  # how many there are to hold
    held = (ctypes.c_uint64 * 3)(
        (1 << file_rights) - 1, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(LANDLOCK_CREATE_RULESET, held, size, 0)
    if rules < 0:
        return False
    for folder in readable:
        with suppress(OSError):  # a folder that is not there needs no rule
            inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            rule = (READ_FILE | READ_DIRECTORY).to_bytes(8, sys.byteorder)
            rule += inside.to_bytes(4, sys.byteorder)
            libc.syscall(LANDLOCK_ADD_RULE, rules, 1, rule, 0)
            os.close(inside)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    done: int = libc.syscall(LANDLOCK_RESTRICT_SELF, rules, 0)
    os.close(rules)
    return done == 0


def refuse_the_rest(readable: list[str]) -> None:
    """Ask the same of all Python code; an audit hook cannot be taken away again."""
    folders = tuple(os.path.join(os.path.realpath(folder), "") for folder in readable)

    def guard(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _mode, flags = arguments
            if isinstance(path, int):  # open already
                return
            if isinstance(flags, int) and flags & WRITING:
                raise PermissionError("a parser may not write files")
            if not _lies_in(os.fsdecode(str(path)), folders):
                raise PermissionError("a parser may not open other files")
        elif event.startswith(FORBIDDEN):
            raise PermissionError(f"a parser may not use {event}")

    sys.addaudithook(guard)


def _lies_in(path: str, folders: tuple[str, ...]) -> bool:
    return os.path.realpath(path).startswith(folders)
