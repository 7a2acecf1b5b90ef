"""Exchange: what this process tells others of its turns through Redis, and what it reads of theirs.

The recording in memory is what readers here follow; Redis gets a copy of it, a little later and in
as few round trips as possible. What Redis could not take is written as soon as it answers again.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from chat.abandoned import interrupt, unfinished
from chat.journal.entries import BEYOND, Entry
from chat.journal.recording import Recording
from chat.journal.shared import RedisError, SharedJournal
from chat.processes import lives
from chat.saved import end_by_id
from documents.outages import redis as outage

PAUSE = 0.02  # seconds between two writes: entries of many turns go together
LOOK = 0.05  # seconds between two looks at turns of other processes, while somebody reads them
SAY_SO = 3.0  # seconds after which a process says again that it lives, and whom it reads
WATCHED = 9  # seconds for which that is believed
KEPT = 500  # answers that have ended, while Redis is away
QUIET = 10.0  # seconds without an entry, after which somebody asks whether its process still lives
LINGER = 5.0  # seconds for which a mirror without readers is kept up to date


class Exchange:
    """Belongs to one event loop. While Redis is away, its turns are this process's alone."""

    def __init__(self, journal: SharedJournal, process: str) -> None:
        self.journal, self.process = journal, process
        self._own: dict[UUID, Recording] = {}  # not written to their end yet
        self._written: dict[UUID, int] = {}
        self._mirrors: dict[UUID, Recording] = {}
        self._leaves = False
        self._grown = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def publish(self, turn: UUID, recording: Recording) -> None:
        """From now on, until its end."""
        self._own[turn], self._written[turn] = recording, 0
        recording.on_growth = self._grown.set
        self._keep_running("writing", self._write)

    async def mirror(self, turn: UUID) -> Recording | None:
        """A recording that follows the one of another process; None: no process knows this turn."""
        if found := self._mirrors.get(turn):
            self._keep_running("reading", self._read)
            return found
        try:
            if await self.journal.process_of(turn) is None:
                return None
        except RedisError as error:
            outage.began(error)
            return None
        mirror = self._mirrors.setdefault(turn, Recording())
        mirror.is_left = self._leaves
        self._keep_running("reading", self._read)
        return mirror

    async def mirror_now(self, turn: UUID) -> Recording | None:
        """The same, with all that is there by now."""
        if (mirror := await self.mirror(turn)) is None:
            return None
        try:
            found = await self.journal.read({turn: mirror.last_number})
            mirror.extend(found.get(turn, []))
            await self.journal.watch([turn], WATCHED)
        except RedisError as error:
            outage.began(error)
        else:
            if turn not in found:
                self.ask_after(turn)
        return mirror

    async def is_watched(self, turn: UUID) -> bool:
        """Whether somebody reads it at another process, as far as is known."""
        if not outage.may_be_asked():
            return False
        try:
            return await self.journal.is_watched(turn)
        except RedisError as error:
            outage.began(error)
            return False

    def ask_after(self, turn: UUID) -> None:
        """Of another process, of which nothing is heard: end it if it was abandoned. Later."""
        self._keep_running(f"asking after {turn}", partial(self._ask_after, turn))

    async def end_abandoned(self, turn: UUID, process: str, *, is_dead: bool = False) -> None:
        """If this process died: save what was shown of its turn, and write the last entry.

        Whoever finds it first does it: an answer has one end, and a number is written once.
        `is_dead`: that is known for certain, whatever Redis still believes.
        """
        try:
            if not is_dead and await self._may_live(process):
                return
            entries = (await self.journal.read({turn: 0})).get(turn, [])
            if (mirror := self._mirrors.get(turn)) and _reach(mirror.entries) > _reach(entries):
                entries = mirror.entries
            if entries and entries[-1].is_last:
                return
            await interrupt(turn, entries)
            if (end := await end_by_id(turn)) is not None:
                last = Entry(_reach(entries) + BEYOND, end)
                await self.journal.write({turn: [last]}, process)
        except RedisError as error:
            outage.began(error)

    async def _may_live(self, process: str) -> bool:
        """A Redis that was restarted has forgotten it: it says so again, if it lives."""
        if await self.journal.is_alive(process):
            return True
        await asyncio.sleep(2 * SAY_SO)
        return await self.journal.is_alive(process)

    def forget(self, turn: UUID) -> None:
        """One of this process that was deleted while it was written. Later."""
        self.let_go(turn)
        self._keep_running(f"forgetting {turn}", partial(self._forget, turn))

    def let_go(self, turn: UUID) -> None:
        """Write no more of it."""
        self._own.pop(turn, None)
        self._written.pop(turn, None)

    def leave(self) -> None:
        """This process ends: whoever reads another one's answers here does so elsewhere."""
        self._leaves = True
        for mirror in self._mirrors.values():
            mirror.leave()

    async def flush(self, seconds: float) -> None:
        """Before the process ends."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._own and asyncio.get_running_loop().time() < deadline:
            self._grown.set()
            await asyncio.sleep(PAUSE)
        for task in self._tasks.values():
            task.cancel()
        try:
            await self.journal.leave(self.process)
            await self.journal.close()
        except RedisError as error:
            outage.began(error)

    def _keep_running(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks = {name: task for name, task in self._tasks.items() if not task.done()}
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(work())

    async def _write(self) -> None:
        now, said_at = asyncio.get_running_loop().time, -SAY_SO
        while self._own:
            self._grown.clear()
            batch = {
                turn: recording.entries[self._written[turn] :]
                for turn, recording in self._own.items()
            }
            try:
                if now() - said_at >= SAY_SO:
                    said_at = now()
                    await self.journal.live(self.process)
                told = {turn: new for turn, new in batch.items() if new}
                lost = await self.journal.write(told, self.process)
            except RedisError as error:
                outage.began(error)
                # It may come back empty. What it still has is not written twice.
                self._written = dict.fromkeys(self._own, 0)
                self._forget_ended()
                await asyncio.sleep(1)
                continue
            outage.over()
            for turn, new in batch.items():
                if turn not in self._own:  # forgotten meanwhile
                    continue
                # A Redis that was restarted between two writes is empty, and nobody has noticed.
                self._written[turn] = 0 if turn in lost else self._written[turn] + len(new)
                if self._own[turn].has_ended and not self._unwritten(turn):
                    del self._own[turn], self._written[turn]
            await asyncio.sleep(PAUSE)
            if self._own and not any(self._unwritten(turn) for turn in self._own):
                await self._until_grown()

    async def _forget(self, turn: UUID) -> None:
        try:
            await self.journal.forget([turn])
        except RedisError as error:
            outage.began(error)  # it goes by itself, after JOURNAL_SECONDS

    def _forget_ended(self) -> None:
        """Of those that have ended the newest are kept for Redis: it may be away for days."""
        ended = [turn for turn, recording in self._own.items() if recording.has_ended]
        for turn in ended[: max(0, len(ended) - KEPT)]:
            del self._own[turn], self._written[turn]

    def _unwritten(self, turn: UUID) -> int:
        return len(self._own[turn].entries) - self._written[turn]

    async def _until_grown(self) -> None:
        """Or until it is time to say that this process lives."""
        try:
            async with asyncio.timeout(SAY_SO):
                await self._grown.wait()
        except TimeoutError:
            return

    async def _read(self) -> None:
        now, said_at = asyncio.get_running_loop().time, -SAY_SO
        grew_at = dict[UUID, float]()
        while self._mirrors:
            try:
                found = await self.journal.read(
                    {turn: mirror.last_number for turn, mirror in self._mirrors.items()}
                )
                for turn, entries in found.items():
                    self._mirrors[turn].extend(entries)
                    grew_at[turn] = now()
                if now() - said_at >= SAY_SO:
                    said_at = now()
                    read = [turn for turn, mirror in self._mirrors.items() if mirror.readers]
                    await self.journal.watch(read, WATCHED)
            except RedisError as error:
                outage.began(error)
                grew_at.clear()  # it was not the other process that was silent
                await asyncio.sleep(1)
                continue
            outage.over()
            for turn, mirror in [*self._mirrors.items()]:
                if now() - grew_at.setdefault(turn, now()) >= QUIET:
                    grew_at[turn] = now()
                    self.ask_after(turn)
                if mirror.has_ended or (not mirror.readers and now() - mirror.read_at > LINGER):
                    del self._mirrors[turn], grew_at[turn]
            await asyncio.sleep(LOOK)

    async def _ask_after(self, turn: UUID) -> None:
        """End it, if its process died. Its end may be saved and was never told, or Redis has lost
        it: then it is told here."""
        try:
            for _turn, process in await unfinished(turn):
                if not (alive := await asyncio.to_thread(lives, process)):
                    await self.end_abandoned(turn, process, is_dead=alive is False)
            if (mirror := self._mirrors.get(turn)) is None:
                return
            found = await self.journal.read({turn: mirror.last_number})
        except RedisError as error:
            outage.began(error)
            return
        mirror.extend(found.get(turn, []))
        if not mirror.has_ended and (end := await end_by_id(turn)) is not None:
            mirror.extend([Entry(mirror.last_number + BEYOND, end)])


def _reach(entries: Sequence[Entry]) -> int:
    return entries[-1].number if entries else 0
