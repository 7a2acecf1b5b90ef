"""The campaign: everybody at every door, and what they got to see there."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any

from tests.better_auth.issuer import Issuer
from tests.campaigns.crashes import commit
from tests.campaigns.matrix import sockets
from tests.campaigns.matrix.attempts import Attempt, Cell, Matrix
from tests.campaigns.matrix.bodies import Slot
from tests.campaigns.matrix.calls import Reply, send
from tests.campaigns.matrix.crowd import Crowd, signed_by
from tests.campaigns.matrix.fields import Extras, sent_along
from tests.campaigns.matrix.findings import Counts, listening
from tests.campaigns.matrix.holes import planted
from tests.campaigns.matrix.people import Person
from tests.campaigns.matrix.routes import Route, routes
from tests.campaigns.matrix.searches import Searches, recorded
from tests.campaigns.matrix.tenants import Town
from tests.campaigns.matrix.things import Thing
from tests.campaigns.matrix.verdicts import difference, shape
from tests.campaigns.matrix.witness import Witness
from tests.production import rebuild

MD5 = "django.contrib.auth.hashers.MD5PasswordHasher"
TOGETHER = 1500  # attempts between two rounds of looking at the rows
SETTINGS: dict[str, Any] = {
    "QUESTIONS_PER_MINUTE": 10**9, "ANONYMOUS_QUESTIONS_PER_MINUTE": 10**9,
    "TURNS_AT_ONCE_EACH": 10**6, "SOCKETS_EACH": 10**6, "ANSWER_CACHE_SECONDS": 0,
    "ALLOWED_HOSTS": ["localhost"], "EMBEDDER": "none", "PASSWORD_HASHERS": [MD5],
}  # fmt: skip
LEGS = ("own", "foreign", "sockets", "fields")
WRITERS = ("key A", "full key A", "Better Auth user ada")  # who try all fields


class Campaign:
    def __init__(
        self, seed: int, requests: int, hole: str = "", *, only: str = "", wire: bool = False,
        legs: Sequence[str] = LEGS,
    ) -> None:  # fmt: skip
        """`only`: routes whose address begins so, for a quick look. `wire`: the index is behind a
        socket, where everything that is asked of it can be read."""
        self.legs = legs
        self.seed, self.requests, self.hole, self.only, self.wire = seed, requests, hole, only, wire
        self.searches: Searches | None = None
        self.counts = Counts()
        self.twins: dict[tuple[object, ...], Reply] = {}
        self.frames = self.extra = 0
        self.seconds: dict[str, float] = {}

    # --- The whole

    def run(self) -> dict[str, Any]:
        began = time.monotonic()
        with self.place(), planted(self.hole):
            asyncio.run(self.everything())
        return self.report(time.monotonic() - began)

    @contextmanager
    def place(self) -> Iterator[None]:
        from django.test import override_settings

        with ExitStack() as stack:
            issuer = stack.enter_context(Issuer())
            chosen = {**SETTINGS, **signed_by(issuer)}
            if self.wire:
                self.searches, there = stack.enter_context(recorded())
                chosen |= there
            stack.enter_context(override_settings(**chosen))
            stack.callback(rebuild)
            rebuild()
            self.town = Town(self.seed).build()
            self.people = Crowd(self.town, issuer).gather()
            chosen_routes = [one for one in routes() if one.pattern.startswith(self.only)]
            self.matrix = Matrix(chosen_routes, self.people, self.town.things, self.seed)
            if self.searches is not None:
                self.searches.letters = self.town.letters
                self.searches.seen = len(self.searches.standin.requests)
            errors = stack.enter_context(listening())
            self.witness = Witness(self.town, self.people, errors, self.searches)
            yield

    async def everything(self) -> None:
        await self.begin_answers()
        legs = {
            "own": self.look_at_own_things, "foreign": self.try_foreign_things,
            "sockets": self.try_sockets, "fields": self.try_more_fields,
        }  # fmt: skip
        for leg in (legs[name] for name in self.legs):
            began = time.monotonic()
            await leg()
            self.seconds[leg.__name__] = round(time.monotonic() - began, 1)
        if self.legs == LEGS and not self.only:
            self.witness.what_nobody_saw()
        await self.end()

    async def begin_answers(self) -> None:
        """Answers that are being written just now."""
        from chat.events import Delta, Start
        from chat.journal.recording import Recording
        from chat.running import running

        for conversation, answer, words in self.town.running:
            recording = Recording()
            recording.add(Start(str(conversation), str(answer)))
            recording.add(Delta(words))
            running()._recordings[answer] = recording

    async def end(self) -> None:
        from chat.running import running
        from ragsite import asgi

        if hasattr(asgi, "assistants"):
            await asgi.assistants.close()
        await running().drain(0)
        await running().close()

    # --- Their own

    async def look_at_own_things(self) -> None:
        """What may be seen is seen: otherwise all of this would pass in an empty place."""
        for person in self.people:
            for attempt in self.own(person):
                reply = await send(attempt.call, patience=5)
                self.counts.own += 1
                self.witness.look(person, attempt.call, reply)
            await self.witness.look_at_rows(person)

    def own(self, person: Person) -> Iterator[Attempt]:
        for route in self.matrix.routes:
            if route.is_admin and not person.reads_everything:
                continue
            for cell in self.matrix.cells(route, "GET", person):
                if cell.slot is None:
                    yield Attempt(cell, None, "application/json")
                elif cell.slot.where == "path":
                    for thing in self.theirs(route, cell.slot, person):
                        yield Attempt(cell, thing, "application/json")
            if not route.is_admin and person.grants and not person.reads_everything:
                yield from self.own_questions(route, person)

    def own_questions(self, route: Route, person: Person) -> Iterator[Attempt]:
        """Bodies with what is theirs at every place."""
        for media, template in self.matrix.described.bodies(route, "POST"):
            cell = Cell(route, "POST", person, None, media, template)
            for accept in ("application/json", "text/event-stream"):
                yield Attempt(cell, None, accept)

    def theirs(self, route: Route, slot: Slot, person: Person) -> list[Thing]:
        found = [one for one in self.matrix.fitting(slot) if not one.is_foreign_to(person.grants)]
        if not person.reads_everything:
            return found
        one_of_each = {thing.kind: thing for thing in found}
        named = [one for kind, one in one_of_each.items() if f"/{kind}/" in route.pattern]
        return named or [*one_of_each.values()][:1]

    # --- Those of others

    async def try_foreign_things(self) -> None:
        attempts = islice(self.matrix.attempts(), max(2000, 4 * self.requests))
        together = min(TOGETHER, self.requests)
        while self.counts.foreign < self.requests and (some := list(islice(attempts, together))):
            for person in self.people:
                for attempt in (one for one in some if one.person is person):
                    await self.try_one(attempt)
                await self.witness.look_at_rows(person)

    async def try_one(self, attempt: Attempt) -> None:
        call, person = attempt.call, attempt.person
        reply = await send(call)
        self.counts.count(attempt, reply)
        self.witness.look(person, call, reply)
        if attempt.thing is None or not attempt.thing.is_foreign_to(person.grants_at(call.path)):
            return
        if attempt.cell.route.name.endswith("_history") and "cookie" in person.headers:
            return  # Django looks for the object before it looks at a clerk's permission
        told = await self.compared(attempt, reply)
        if told:
            self.witness.findings.add("told apart", person.name, call.line, told)

    async def compared(self, attempt: Attempt, reply: Reply) -> str:
        """How the reply differs from that about nothing; what was said before may be out of date,
        so whatever differs is asked for again."""
        key = (*attempt.cell.key, attempt.accept)
        if key not in self.twins:
            self.twins[key] = await self.about_nothing(attempt)
        named = attempt.named
        if not difference(shape(reply, named), shape(self.twins[key], named)):
            return ""
        self.twins[key] = await self.about_nothing(attempt)
        again = await send(attempt.call)
        return difference(shape(again, named), shape(self.twins[key], named))

    async def about_nothing(self, attempt: Attempt) -> Reply:
        self.counts.twins += 1
        reply = await send(attempt.twin)
        self.counts.times[attempt.cell.route.family][1].append(reply.seconds)
        return reply

    # --- Sockets

    async def try_sockets(self) -> None:
        wanted = max(1, self.requests // 10)
        dice = random.Random(self.seed)
        for person in self.people:
            share = wanted // len(self.people) + 1
            async for line, kind, name, thing in self.knocking(person, dice, share):
                await self.try_frame(person, line, kind, name, thing)
            await self.all_answers_end()
            self.witness.saw(person, "afterwards", "", "")
            await self.witness.look_at_rows(person)

    async def all_answers_end(self) -> None:
        """What somebody asked for and did not wait for is not the next one's doing."""
        from chat.running import running

        if tasks := [*running()._tasks.values()]:
            await asyncio.wait(tasks, timeout=10)

    async def knocking(
        self, person: Person, dice: random.Random, share: int
    ) -> AsyncIterator[tuple[Any, str, str, Thing | None]]:
        """Each place of each frame in turn, on a new socket where the last one was closed."""
        told, everything = 0, sockets.places()
        while told < share:
            dice.shuffle(everything)
            for kind, name in everything[: share - told]:
                async with sockets.connected(person) as line:
                    self.witness.saw(person, "connect", "", "\n".join(line.frames))
                    if not line.is_open:
                        self.frames += 1
                        return
                    for _ in range(3):
                        thing = sockets.pick(name, person, self.town.things, dice)
                        yield line, kind, name, thing
                        told += 1
                        if not line.is_open or thing is None:
                            break

    async def try_frame(
        self, person: Person, line: Any, kind: str, name: str, thing: Thing | None
    ) -> None:
        value = thing.value if thing else ""
        nothing = sockets.MISSING[thing.form] if thing else ""
        frame = sockets.frame_for(kind, name, value, person)
        heard = await line.say(frame)
        self.frames += 1
        self.witness.saw(person, f"ws {kind} {name}", str(frame), "\n".join(heard))
        if thing is None or not line.is_open:
            return
        missing = await line.say(sockets.frame_for(kind, name, nothing, person))
        named = [value, nothing]
        one, other = sockets.same(heard, named), sockets.same(missing, named)
        if one != other and "delta" not in "".join(heard):
            self.witness.findings.add("told apart", person.name, f"ws {kind} {name}={value}",
                              f"{one} for missing {other}")  # fmt: skip

    # --- Fields that nobody listed

    async def try_more_fields(self) -> None:
        """Sent along by people with something to write; whatever is written of it is too much."""
        values = sent_along(self.people[5].owner, self.town.tenants["b"].corpus.pk)
        extras = Extras(self.matrix.described, values, self.seed)
        most = max(4, self.requests // 500)
        for person in self.people:
            if not person.owner or person.reads_everything:
                continue
            for route in self.matrix.routes:
                for method in ("POST", "PUT", "PATCH"):
                    await self.try_more_fields_at(extras, route, method, person, most)

    async def try_more_fields_at(
        self, extras: Extras, route: Route, method: str, person: Person, most: int
    ) -> None:
        calls = list(extras.calls(route, method, person, most if person.name in WRITERS else 2))
        usual: set[tuple[str, str, str]] = set()  # what is written without them
        for number, (_name, call) in enumerate(calls):
            self.extra += 1
            self.witness.look(person, call, await send(call))
            if number and number < len(calls) - 1:
                continue
            for change in await self.witness.look_at_rows(person):
                found = {
                    (change.table, name, str(change.row[name])) for name in extras.written(change)
                }
                if not number:
                    usual |= found
                for _table, name, _value in found - usual:
                    what = f"{method} {route.pattern}"
                    self.witness.findings.add(
                        "written too much", person.name, what, f"{name} of {change}"
                    )

    # --- The report

    def report(self, seconds: float) -> dict[str, Any]:
        counts, everything = self.counts, self.matrix.routes
        requests = (
            counts.foreign + counts.plain + counts.own + counts.twins + self.frames + self.extra
        )
        return {
            "seed": self.seed, "commit": commit(), "hole": self.hole,
            "requests_with_foreign_ids": counts.foreign, "frames": self.frames,
            "with_fields_that_nobody_listed": self.extra,
            "searches_on_the_wire": self.searches.looked if self.searches else 0,
            "requests_without_ids": counts.plain, "of_their_own": counts.own,
            "about_nothing": counts.twins, "seconds": round(seconds), "seconds_of": self.seconds,
            "a_second": round(requests / seconds),
            "routes": len(everything), "people": len(self.people),
            "canaries": len(self.town.canaries),
            "canaries_seen_by_their_own": len(self.witness.seen),
            "routes_and_methods": len(counts.pairs),
            "by_person": dict(counts.people.most_common()),
            "by_family": dict(counts.families.most_common()),
            "by_method": dict(counts.methods), "by_status": dict(sorted(counts.statuses.items())),
            "foreign_to_missing_time": counts.ratios,
            "findings": dict(self.witness.findings.kinds),
            "examples": [str(one) for one in self.witness.findings.found],
        }  # fmt: skip
