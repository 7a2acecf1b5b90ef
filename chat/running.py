"""Answers belong to the server: each turn is a task here, and whoever wants to reads its recording.

A reader that hangs up leaves the turn running. It ends by itself, by `stop`, when nobody has read
it for UNWATCHED_SECONDS, or with the process: each time with exactly one last entry.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from math import inf
from uuid import UUID
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import DatabaseError

from chat.abandoned import interrupt, unfinished
from chat.events import Done, Error, Event, Stage
from chat.exchange import Exchange
from chat.journal import stops
from chat.journal.entries import Entry
from chat.journal.recording import Recording
from chat.pipeline import answer
from chat.places import AGAIN, places
from chat.processes import lives, sweep, this_process
from chat.saved import end_by_id
from chat.turns import Turn
from documents.threads import in_database_thread

logger = logging.getLogger(__name__)

KEPT = 500  # recordings that have ended, in memory; with Redis they can be read there, too
LOOK = 1.0  # seconds between two looks for turns that nobody reads, while any is running
GONE = 10.0  # seconds for which the end can be read of what is not to be kept
SAVING = 5.0  # seconds that an answer which is cut short has to be saved in
BELIEVED = 16.0  # seconds for which others may believe that a process lives, though it was killed
FLUSH = 3.0  # seconds that Redis has at the end


class Running:
    """The turns of one event loop; in production a process has one."""

    def __init__(self) -> None:
        self._turns: dict[UUID, Turn] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._recordings: dict[UUID, Recording] = {}  # those that have ended stay for a while
        self._looking: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._clearing: asyncio.Task[None] | None = None
        self._exchange: Exchange | None = None
        self._ends_at = inf  # by the clock of the loop
        self._is_cut = False
        if settings.REDIS_URL:
            from chat.journal.shared import SharedJournal

            journal = SharedJournal(settings.REDIS_URL, keep=settings.JOURNAL_SECONDS)
            self._exchange = Exchange(journal, this_process())

    @property
    def ends(self) -> bool:
        """Whether this process was told to end."""
        return self._ends_at < inf

    def start(self, turn: Turn) -> None:
        """Begin to answer. What happens is for `follow` to tell, a refusal too."""
        recording = Recording()
        self._turns[turn.id], self._recordings[turn.id] = turn, recording
        if self._exchange is not None and turn.stored:  # Redis is a store, too
            self._exchange.publish(turn.id, recording)
            self.listen()
        self._tasks[turn.id] = asyncio.create_task(self._run(turn, recording))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._stop_the_unread())

    async def follow(self, turn: UUID, after: int = 0) -> AsyncGenerator[Entry, None]:
        """Each entry after this number, as it comes, until the last one.

        Of a turn that is in no journal (any more), its last entry alone, as it is saved. It ends
        without a last entry when this process ends and another one answers.
        """
        recording = self._recordings.get(turn)
        if recording is None and self._exchange is not None:
            recording = await self._exchange.mirror(turn)
        while recording is None:
            if (end := await end_by_id(turn)) is not None:
                yield Entry(after + 1, end)
                return
            if self.ends:
                return
            await self.end_abandoned(turn)
            await asyncio.sleep(LOOK)
            if self._exchange is not None:  # Redis may have been away
                recording = await self._exchange.mirror(turn)
        async with aclosing(recording.follow(after)) as entries:
            async for entry in entries:
                yield entry

    async def read(self, turn: UUID, after: int = 0) -> list[Entry]:
        """What there is after this number, without waiting for more; reading counts as watching."""
        recording = self._recordings.get(turn)
        if recording is None and self._exchange is not None:
            recording = await self._exchange.mirror_now(turn)
        if recording is not None:
            return recording.read(after)
        if (end := await end_by_id(turn)) is None:
            if self._exchange is not None:
                self._exchange.ask_after(turn)
                return []
            await self.end_abandoned(turn)
            end = await end_by_id(turn)
        return [] if end is None else [Entry(after + 1, end)]

    async def stop(self, turn: UUID) -> None:
        """Ask it to end, wherever it runs. What was shown is kept, as cancelled."""
        if turn in self._tasks:
            self._stop_here(turn)
        elif self._exchange is not None:
            await stops.tell(turn)

    async def end_abandoned(self, turn: UUID | None = None) -> None:
        """Interrupt the answers of processes that died: this one, or all."""
        found = await unfinished(turn)
        await asyncio.gather(*(self._end_if_abandoned(*one) for one in found))

    def clear_up(self) -> None:
        """At the start: end what was abandoned, now and once more in a while."""
        self._clearing = asyncio.create_task(self._clear_up())

    def forget(self, turns: Iterable[UUID]) -> None:
        """What was told of them, here. One that is still at work is stopped first: nobody is left
        to read it."""
        for turn in turns:
            if turn in self._tasks:
                self._stop_here(turn)
            else:
                self._recordings.pop(turn, None)
                if self._exchange is not None:
                    self._exchange.let_go(turn)

    async def drain(self, seconds: float) -> None:
        """Begin nothing new, wait for what runs, interrupt what is not done by then.

        Told twice, by the signal and by the end of the lifespan, it does not wait twice.
        """
        now = asyncio.get_running_loop().time
        places().closed = True
        self._ends_at = min(self._ends_at, now() + seconds)
        if self._exchange is not None:
            self._exchange.leave()
        if self._tasks:
            await asyncio.wait([*self._tasks.values()], timeout=max(0.0, self._ends_at - now()))
        if not (left := [*self._tasks.values()]):
            return
        if not self._is_cut:
            self._is_cut = True
            for task in left:
                task.cancel()
            logger.warning("The server ends: %d answers were interrupted.", len(left))
        await asyncio.wait(left, timeout=max(0.0, self._ends_at + SAVING - now()))

    async def close(self) -> None:
        """After `drain`: let others know what was not told yet."""
        for task in (self._looking, self._listening, self._clearing):
            if task is not None:
                task.cancel()
        if self._exchange is not None:
            await self._exchange.flush(FLUSH)

    def listen(self) -> None:
        """Hear of stops that other processes were asked for."""
        if self._exchange and (self._listening is None or self._listening.done()):
            self._listening = asyncio.create_task(stops.listen(self._stop_here))

    async def _clear_up(self) -> None:
        try:
            await self.end_abandoned()
            await asyncio.to_thread(sweep)
            if self._exchange is not None:
                await asyncio.sleep(BELIEVED)
                await self.end_abandoned()
        except DatabaseError as error:
            logger.error("Abandoned answers were not looked for: %s", type(error).__name__)

    async def _end_if_abandoned(self, turn: UUID, process: str) -> None:
        if any(turn in here._tasks for here in [*_running.values(), self]):
            return
        # One of ours that is not at work any more has an end that could not be saved.
        ours = process == this_process()
        if alive := False if ours else await asyncio.to_thread(lives, process):
            return
        if self._exchange is not None:
            await self._exchange.end_abandoned(turn, process, is_dead=alive is False)
        else:
            await interrupt(turn)

    async def _run(self, turn: Turn, recording: Recording) -> None:
        try:
            async with aclosing(answer(turn)) as events:
                async for event in events:
                    recording.add(await _as_saved(turn, event))
        except asyncio.CancelledError:
            recording.add(await _as_saved(turn, _cut_short(turn)))
        except Exception:
            logger.exception("A turn failed outside of its pipeline")
        finally:
            if not recording.has_ended:
                recording.add(Error("internal", "Something went wrong on our side.", 500))
            del self._turns[turn.id], self._tasks[turn.id]
            self._keep(turn)

    def _stop_here(self, turn: UUID) -> None:
        if (task := self._tasks.get(turn)) and not self._turns[turn].stop_requested:
            self._turns[turn].stop_requested = True
            task.cancel()

    async def _stop_the_unread(self) -> None:
        while self._tasks:
            await asyncio.sleep(LOOK)
            now = asyncio.get_running_loop().time()
            running = [(turn, self._recordings[pk]) for pk, turn in self._turns.items()]
            for turn, recording in running:  # some end while others are looked at
                if recording.readers or recording.has_ended:
                    continue
                # Asked at every look, so that a Redis which is away for a moment matters little.
                if self._exchange is not None and await self._exchange.is_watched(turn.id):
                    recording.read_at = now
                elif now - recording.read_at >= _patience(recording):
                    logger.info("Nobody reads the answer %s any more: it is stopped.", turn.id)
                    self._stop_here(turn.id)

    def _keep(self, turn: Turn) -> None:
        loop = asyncio.get_running_loop()
        if turn.stored and not turn.deleted:
            loop.call_later(settings.JOURNAL_SECONDS, self._recordings.pop, turn.id, None)
        else:
            loop.call_later(GONE, self._forget_everywhere, turn.id)
        ended = [pk for pk, recording in self._recordings.items() if recording.has_ended]
        for pk in ended[: max(0, len(ended) - KEPT)]:
            del self._recordings[pk]

    def _forget_everywhere(self, turn: UUID) -> None:
        self.forget([turn])
        if self._exchange is not None:
            self._exchange.forget(turn)


def _patience(recording: Recording) -> float:
    """Who left the queue does not know what to come back to."""
    told = recording.entries[-1].event if recording.entries else None
    waits = isinstance(told, Stage) and told.stage == "queued"
    return min(LOOK, settings.UNWATCHED_SECONDS) if waits else settings.UNWATCHED_SECONDS


async def _as_saved(turn: Turn, event: Event) -> Event:
    """A process that was frozen may wake up after another one took it for dead, and ended its
    answer: an answer has one end, and that is told here as well."""
    if not isinstance(event, (Done, Error)):
        return event
    if turn.kept and (turn.message_id is None or not turn.stored):
        # There is nothing to tell once more: who sends it again has it done again.
        with suppress(DatabaseError):  # it is abandoned, then, and free again in a while
            await in_database_thread(turn.kept.give_back)()
    if not turn.saved_before:
        return event
    try:
        end = await end_by_id(turn.id)
    except DatabaseError:
        return event
    turn.deleted = not isinstance(end, Done)
    return event if turn.deleted else end


def _cut_short(turn: Turn) -> Done | Error:
    if turn.message_id is not None:
        return turn.done()
    if turn.stop_requested:
        return Error("cancelled", "Stopped before it began.", 409)
    return Error("overloaded", "The server is about to restart; try again.", 503, AGAIN)


_running: "WeakKeyDictionary[asyncio.AbstractEventLoop, Running]" = WeakKeyDictionary()


def running() -> Running:
    """The turns of the event loop that this is called on."""
    loop = asyncio.get_running_loop()
    return _running.get(loop) or _running.setdefault(loop, Running())


def is_told(turn: UUID) -> bool:
    """Whether it was begun in this process, and can be followed here; from any thread."""
    return any(turn in here._recordings for here in [*_running.values()])


def forget(turns: Iterable[UUID]) -> None:
    """On each event loop of this process; from any thread."""
    for loop, here in [*_running.items()]:
        with suppress(RuntimeError):  # that loop was closed
            loop.call_soon_threadsafe(here.forget, turns)


async def told(turn: Turn) -> AsyncGenerator[Entry, None]:
    """Start a turn and tell all of it. Who stops listening leaves it running."""
    running().start(turn)
    async with aclosing(running().follow(turn.id)) as entries:
        async for entry in entries:
            yield entry
