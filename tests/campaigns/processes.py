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
    seconds: float


class Child:
    def __init__(
        self, work: Callable[[], Any], failpoint: str = "", *, may_fail: bool = False
    ) -> None:
        self.may_fail = may_fail
        self.trace = mmap.mmap(-1, 4)
        self.trace.write(struct.pack("i", -1))
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
                self.trace.seek(0)
                self.trace.write(struct.pack("i", NAMES.index(name)))
                stop_at(name)

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

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill_after(self, seconds: float) -> None:
        threading.Timer(seconds, self.signal, [signal.SIGKILL]).start()

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
        self.trace.seek(0)
        (number,) = struct.unpack("i", self.trace.read(4))
        killed = os.WIFSIGNALED(status)
        return Ended(
            killed=killed,
            failed=not killed and os.waitstatus_to_exitcode(status) != 0,
            value=json.loads(said) if said and not killed else None,
            last_passed=NAMES[number] if number >= 0 else "",
            seconds=time.monotonic() - self.begun,
        )


def in_child(work: Callable[[], Any]) -> Any:
    """What `work` returns, done to its end in another process; raises when it failed."""
    ended = Child(work).end()
    if ended.failed or ended.killed:
        raise RuntimeError("a process that nobody killed did not come to its end; see above")
    return ended.value
