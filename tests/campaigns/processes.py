"""Work in a process of its own that may be killed, frozen or watched.

Forked, so that a trial costs milliseconds: the parent holds no connection and runs no thread.
"""

import json
import mmap
import os
import signal
import struct
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connections

from documents import failpoints

NAMES = sorted(failpoints.FAILPOINTS)


@dataclass
class Ended:
    """How a process ended; `value` is what its work returned, None if it was killed before."""

    killed: bool
    failed: bool
    value: Any
    last_passed: str  # the failpoint it passed last, "" for none
    passed: int  # how many it passed
    seconds: float


@dataclass(frozen=True)
class Moment:
    """So many seconds after so many failpoints were passed."""

    passed: int
    seconds: float


class Child:
    def __init__(
        self,
        work: Callable[[], Any],
        failpoint: str = "",
        *,
        dies: Moment | None = None,
        may_fail: bool = False,
    ) -> None:
        self.dies, self.may_fail = dies, may_fail
        self.trace = mmap.mmap(-1, 8)
        self.trace.write(struct.pack("ii", -1, 0))
        self.read, write = os.pipe()
        self.begun = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.read)
            self._live(work, failpoint, write)
        os.close(write)

    def _live(self, work: Callable[[], Any], failpoint: str, write: int) -> None:
        code = 1
        try:
            settings.FAILPOINT = failpoint or "only watched"
            stop_at = failpoints._stop_at

            def watched(name: str) -> None:
                passed = self._traced()[1] + 1
                self.trace[:] = struct.pack("ii", NAMES.index(name), passed)
                self._die_at(passed)
                stop_at(name)

            self._die_at(0)

            failpoints._stop_at = watched
            value = json.dumps(work()).encode()
            connections.close_all()
            with os.fdopen(write, "wb") as pipe:
                pipe.write(value)
            code = 0
        except BaseException:
            if not self.may_fail:
                traceback.print_exc()
        finally:
            os._exit(code)

    def _die_at(self, passed: int) -> None:
        if self.dies and self.dies.passed == passed:
            kill = partial(os.kill, os.getpid(), signal.SIGKILL)
            threading.Timer(self.dies.seconds, kill).start()

    def _traced(self) -> tuple[int, int]:
        """Which failpoint was passed last, and how many were passed."""
        last, passed = struct.unpack("ii", self.trace[:])
        return last, passed

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait_until_stopped(self, within: float = 30.0) -> bool:
        """Until SIGSTOP took effect; False if it ended instead."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            found = os.waitid(
                os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
            )
            if found is not None:
                return found.si_code in (os.CLD_STOPPED, os.CLD_TRAPPED)
            time.sleep(0.005)
        raise TimeoutError("it neither stopped nor ended")

    def end(self) -> Ended:
        with os.fdopen(self.read, "rb") as pipe:
            said = pipe.read()
        _pid, status = os.waitpid(self.pid, 0)
        number, passed = self._traced()
        killed = os.WIFSIGNALED(status)
        return Ended(
            killed=killed,
            failed=not killed and os.waitstatus_to_exitcode(status) != 0,
            value=json.loads(said) if said and not killed else None,
            last_passed=NAMES[number] if number >= 0 else "",
            passed=passed,
            seconds=time.monotonic() - self.begun,
        )


def in_child(work: Callable[[], Any]) -> Any:
    """What `work` returns, done to its end in another process; raises when it failed."""
    ended = Child(work).end()
    if ended.failed or ended.killed:
        raise RuntimeError("a process that nobody killed did not come to its end; see above")
    return ended.value
