"""Whether this process can answer: found out at its start, and again while something is wrong."""

import logging
from collections.abc import Callable
from math import inf
from time import monotonic

from django.conf import settings

from documents.providers import get_embedder, get_index, get_local_embedder

logger = logging.getLogger(__name__)

PAUSE = 10.0  # seconds between two checks, however often somebody asks


class Readiness:
    """The parts an answer needs, each loaded by a function that raises while it is broken."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock = clock
        self.parts: dict[str, Callable[[], object]] = {}
        self.problems: dict[str, str] = {}  # for the log alone: they name paths and addresses
        self.checked_at = -inf
        self.ends = False  # the process was told to: nobody should come any more

    def watch(self, part: str, load: Callable[[], object]) -> None:
        self.parts[part] = load

    def check(self) -> None:
        self.checked_at = self.clock()
        for part, load in self.parts.items():
            try:
                load()
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
                if self.problems.get(part) != problem:
                    logger.warning("Not ready, %s: %s", part, problem)
                self.problems[part] = problem
            else:
                self.problems.pop(part, None)

    def broken(self) -> list[str]:
        """The names of the parts that do not work; empty when a question can be answered.

        As long as all is well nothing is asked: a prober must not keep a sleeping database awake.
        """
        if self.ends:
            return ["restarting"]
        if self.problems and self.clock() - self.checked_at >= PAUSE:
            self.check()
        return list(self.problems)


def _load_embedder() -> None:
    # Only models in this process: Cohere counts every call.
    chosen = get_embedder() if settings.EMBEDDER == "multilingual" else None
    for local in (get_local_embedder(), chosen):
        if local is not None:
            local.embed_documents(["ready"])


def _open_index() -> None:
    get_index().open()


this_process = Readiness()
this_process.watch("embedder", _load_embedder)
this_process.watch("index", _open_index)
