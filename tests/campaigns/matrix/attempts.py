"""Attempts: each route and method, by each person, with an id that is not theirs in each place."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.campaigns.matrix.bodies import Described, Slot, as_bytes, filled, slots_in
from tests.campaigns.matrix.calls import Call
from tests.campaigns.matrix.people import Person
from tests.campaigns.matrix.routes import METHODS, Route
from tests.campaigns.matrix.things import MISSING, Thing

SAFE = ("GET", "HEAD", "OPTIONS")
# How often each: most routes answer JSON alone, and whom they cannot answer learns nothing.
ACCEPTS = {"application/json": 12, "*/*": 5, "text/event-stream": 2, "text/html": 1}
RIGHT_KIND = 0.6  # of the ids name what the place is for
ASSISTANT = "application/json, text/event-stream"  # what the protocol of assistants demands


@dataclass(frozen=True)
class Cell:
    """A place of the matrix: what is sent but for the id."""

    route: Route
    method: str
    person: Person
    slot: Slot | None = None
    media: str = ""
    template: Any = None

    @property
    def key(self) -> tuple[object, ...]:
        slot = (self.slot.where, self.slot.name) if self.slot else ()
        return (self.route.pattern, self.method, self.person.name, slot, str(self.template))

    def call(self, values: dict[str, str], accept: str) -> Call:
        """With these values in its slot, by name, and what is at home everywhere else."""
        person, route = self.person, self.route
        where = self.slot.where if self.slot else ""
        path = {
            name: values.get(name) or person.home.get(route.kind_of(name), MISSING[form])
            for name, form in route.slots
        }
        headers = {**person.headers, "accept": accept}
        if route.pattern.startswith("mcp"):
            headers["accept"] = ASSISTANT
        body = b""
        if self.media:
            chosen = values if where == "body" else {}
            home = {**MISSING_AT_HOME, **person.home}
            headers["content-type"], body = as_bytes(
                self.media, filled(self.template, chosen, home)
            )
        query = tuple(values.items()) if where == "query" else ()
        return Call(self.method, route.path(path), query, headers, body)


MISSING_AT_HOME = {"token": MISSING["token"], "chunk": MISSING["text"], "document": MISSING["url"]}


@dataclass(frozen=True)
class Attempt:
    cell: Cell
    thing: Thing | None
    accept: str

    @property
    def person(self) -> Person:
        return self.cell.person

    @property
    def values(self) -> dict[str, str]:
        """What the slot says, and what belongs to its address."""
        slot, thing = self.cell.slot, self.thing
        if slot is None or thing is None:
            return {}
        return {slot.name: thing.value, **(dict(thing.beside) if slot.where == "path" else {})}

    @property
    def call(self) -> Call:
        return self.cell.call(self.values, self.accept)

    @property
    def twin(self) -> Call:
        """The same, of something that is not there."""
        values = dict.fromkeys(self.values, MISSING["slug"])
        if self.cell.slot is not None:
            values[self.cell.slot.name] = MISSING[self.cell.slot.form]
        return self.cell.call(values, self.accept)

    @property
    def named(self) -> set[str]:
        gone = {MISSING[slot.form] for slot in [self.cell.slot] if slot} | {MISSING["slug"]}
        return {*self.values.values(), *gone}


class Matrix:
    """All cells, and attempts at them in the order in which they matter."""

    def __init__(
        self, routes: list[Route], people: list[Person], things: list[Thing], seed: int
    ) -> None:
        self.routes, self.people, self.things = routes, people, things
        self.dice, self.described = random.Random(seed), Described()

    def attempts(self) -> Iterator[Attempt]:
        """First each route and method once, then each by everybody, then without end."""
        pairs = [(route, method) for route in self.routes for method in METHODS]
        seen = [(*pair, self.dice.choice(self.people)) for pair in pairs]
        by_all = [
            (route, method, person)
            for route, method in pairs
            for person in self.people
            if not route.is_admin or method in ("GET", "POST")
        ]
        self.dice.shuffle(seen)
        self.dice.shuffle(by_all)
        for place in [*seen, *by_all]:
            if attempt := self.pick(*place):
                yield attempt
        spoken = [pair for pair in pairs if not pair[0].is_admin and pair[1] != "HEAD"]
        while True:
            if attempt := self.pick(*self.dice.choice(spoken), self.dice.choice(self.people)):
                yield attempt

    def pick(self, route: Route, method: str, person: Person) -> Attempt | None:
        """One with a foreign id; without any where there is no place for one."""
        cells = self.cells(route, method, person)
        self.dice.shuffle(cells)
        for cell in cells:
            if cell.slot is None:
                return Attempt(cell, None, self._accept())
            foreign = [one for one in self.fitting(cell.slot) if one.is_foreign_to(person.grants)]
            named = [one for one in foreign if one.kind == cell.slot.kind]
            if foreign:
                among = named if named and self.dice.random() < RIGHT_KIND else foreign
                return Attempt(cell, self.dice.choice(among), self._accept())
        if (method in SAFE or not person.reads_everything) and cells:  # nothing there is foreign
            things = self.fitting(cells[0].slot) if cells[0].slot else []
            return Attempt(cells[0], self.dice.choice(things or [None]), "application/json")
        return None

    def _accept(self) -> str:
        return self.dice.choices([*ACCEPTS], [*ACCEPTS.values()])[0]

    def cells(self, route: Route, method: str, person: Person) -> list[Cell]:
        in_path = [Slot("path", name, form, route.kind_of(name)) for name, form in route.slots]
        bodies = self.described.bodies(route, method)
        cells = []
        for media, template in bodies or [("", None)]:
            slots: list[Slot] = [*in_path, *slots_in(template)]
            if method in ("GET", "HEAD"):
                slots += self.described.queries(route, method)
            cell = Cell(route, method, person, None, media, template)
            plain = [] if in_path else [cell]  # what lists say without being asked for anything
            cells += [replace(cell, slot=slot) for slot in slots] + plain
        return cells

    def fitting(self, slot: Slot) -> list[Thing]:
        """Whatever can be named there: an id of another kind may open a door, too. In an address
        of the admin every number, name and id is one."""
        if slot.where == "path" and slot.form in ("path", "slug"):
            forms = {slot.form} | ({"int", "uuid"} if slot.form == "path" else set())
            return [one for one in self.things if one.form in forms]
        return [one for one in self.things if one.form == slot.form]
