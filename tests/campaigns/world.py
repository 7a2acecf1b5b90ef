"""What ought to be: a folder of pages that changes, and an oracle that remembers what they hold.

The oracle never asks the project: it is made from the same dice that write the pages. Each section
is one chunk, whose text is known to the letter.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np

WORDS = ("anchor", "bell", "chart", "dock", "ebb", "fog", "gull", "hull", "inlet", "jetty", "keel",
         "lamp", "mast", "north", "oar", "pier", "quay", "reef", "sail", "tide")  # fmt: skip


@dataclass
class World:
    """`pages` is the oracle: path of a page to the texts of its sections."""

    folder: Path
    dice: random.Random
    prefix: str = "page"
    pages: dict[str, list[str]] = field(default_factory=dict)
    written: int = 0

    def populate(self, pages: int) -> None:
        for _ in range(pages):
            self.create()

    def change(self) -> list[str]:
        """A handful of creations, edits and deletions, at least one of each; says what was done."""
        done = []
        steps = ["create", "edit", "edit", "delete"]
        for step in steps + self.dice.choices(steps, k=self.dice.randint(0, 4)):
            if step == "create" or len(self.pages) < 8:
                done.append(f"create {self.create()}")
            elif step == "edit":
                done.append(f"edit {self.edit()}")
            else:
                done.append(f"delete {self.delete()}")
        return done

    def create(self) -> str:
        self.written += 1
        name = f"{self.prefix}-{self.written:05}.md"
        self.rewrite(name)
        return name

    def edit(self) -> str:
        """A section changes, comes, goes, or moves."""
        name = self.dice.choice(sorted(self.pages))
        texts = self.pages[name]
        match self.dice.randrange(4):
            case 0:
                texts[self.dice.randrange(len(texts))] = self._text()
            case 1:
                texts.insert(self.dice.randrange(len(texts) + 1), self._text())
            case 2 if len(texts) > 1:
                texts.pop(self.dice.randrange(len(texts)))
            case _:
                texts[0] = self._text()
                self.dice.shuffle(texts)
        self._write(name)
        return name

    def rewrite(self, name: str) -> None:
        self.pages[name] = [self._text() for _ in range(self.dice.randint(1, 9))]
        self._write(name)

    def delete(self) -> str:
        name = self.dice.choice(sorted(self.pages))
        del self.pages[name]
        (self.folder / name).unlink()
        return name

    def _text(self) -> str:
        """Told apart from every other that was ever written."""
        self.written += 1
        words = " ".join(self.dice.choices(WORDS, k=self.dice.randint(5, 40)))
        return f"Entry {self.written} of the log: {words}."

    def _write(self, name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        sections = [f"## Watch {text.split()[1]}\n\n{text}\n" for text in self.pages[name]]
        # Whole or not at all, as an editor saves it.
        draft = self.folder / f".{name}"
        draft.write_text(f"# {name}\n\n" + "\n".join(sections))
        draft.rename(self.folder / name)

    def expected(self) -> set[tuple[str, str]]:
        return {(name, text) for name, texts in self.pages.items() for text in texts}


@dataclass
class Verdict:
    """Differences between what ought to be and what is; all zero when all is well."""

    lost: int = 0  # a text without a row, or a row without its point
    ghost: int = 0  # a row or a point that ought not to be
    duplicate: int = 0
    stuck: int = 0  # runs that are not done, leases that are held
    wrong: int = 0  # points whose vector or payload is not that of their row
    details: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.ghost or self.duplicate or self.stuck or self.wrong)

    def __add__(self, other: "Verdict") -> "Verdict":
        return Verdict(
            self.lost + other.lost, self.ghost + other.ghost, self.duplicate + other.duplicate,
            self.stuck + other.stuck, self.wrong + other.wrong, self.details + other.details,
        )  # fmt: skip


def judge(expected: set[tuple[str, str]], rows: list[tuple[str, str, UUID]],
          points: dict[UUID, "np.ndarray | None"], vector_of: "dict[UUID, np.ndarray]",
          live: "set[UUID] | None", stuck: int) -> Verdict:  # fmt: skip
    """Hold rows and points against the oracle, by content.

    `rows` are (page, text, chunk id); `points` maps ids in the index to vectors; `vector_of` is
    what the vector of each row must be; `live` are the points the index would show (None: all).
    """
    verdict = Verdict(stuck=stuck)
    found = [(page, text) for page, text, _id in rows]
    lost, ghosts = expected - set(found), set(found) - expected
    ids = {chunk_id for _page, _text, chunk_id in rows}
    without_point, without_row = ids - points.keys(), points.keys() - ids
    verdict.lost = len(lost) + len(without_point)
    verdict.ghost = len(ghosts) + len(without_row)
    verdict.duplicate = len(found) - len(set(found))
    for chunk_id in ids & points.keys():
        vector = points[chunk_id]
        same = vector is not None and np.allclose(vector, vector_of[chunk_id], atol=2e-3)
        shown = live is None or chunk_id in live
        verdict.wrong += not (same and shown)
    for name, things in (("lost text", lost), ("ghost text", ghosts),
                         ("row without point", without_point),
                         ("point without row", without_row)):  # fmt: skip
        verdict.details += [f"{name}: {thing}" for thing in sorted(map(str, things))[:5]]
    return verdict
