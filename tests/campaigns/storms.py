"""Questions without a pause while documents are deleted, or read again in new versions.

    python -m tests.campaigns.storms --queries 10000 --deletes 200 --reads 100 --seed 1

From the moment a deletion has returned, no query that begins later may meet its document; no query
may meet two versions of one document. Two processes: one asks, one changes, and the changes are
spread over the questions; what each saw is held together afterwards.

The rows decide what is shown, the index is only asked where to look. `--wire --without live-rows`
is the positive control: hits are shown without a look at the rows; an index that cannot be reached
while somebody deletes keeps the points, and points are found from the moment they are stored. (The
embedded index reads the rows anyway.)
"""

import json
import mmap
import random
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

from tests.campaigns.crashes import clean_database, commit, parser_of, parts

PARTS = 6
PATIENCE = 60.0  # seconds


def main(arguments: list[str] | None = None) -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--queries", type=int, default=1000, help="at least; of each storm")
    parser.add_argument("--deletes", type=int, default=20)
    parser.add_argument("--reads", type=int, default=10)
    parser.add_argument("--without", default="", choices=["", "live-rows"])
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, parts(Path(folder), wire=options.wire):
        storm = Storm(Path(folder), options.seed, options.without)
        deleted = storm.deletions(options.queries, options.deletes)
        mixed = storm.versions(options.queries // 2, options.reads)
    report = {
        "seed": options.seed, "commit": commit(), "index": "wire" if options.wire else "embedded",
        "without": options.without, "deletions": deleted, "versions": mixed,
    }  # fmt: skip
    if options.log:
        options.log.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=2))
    return 1 if deleted["violations"] or mixed["violations"] else 0


class Storm:
    def __init__(self, place: Path, seed: int, without: str) -> None:
        from tests.campaigns import installation
        from tests.campaigns.processes import in_child

        self.place, self.without = place, without
        self.pages, self.dice = place / "pages", random.Random(seed)
        self.pages.mkdir()
        in_child(clean_database)
        in_child(lambda: installation.install(str(self.pages)))

    def deletions(self, queries: int, deletes: int) -> dict[str, Any]:
        """How many queries met a document whose deletion had returned before they began."""
        from tests.campaigns import installation

        names = [f"page-{n:04}" for n in range(deletes + 10)]
        self._write(names, version=1)
        self._read()
        doomed = names[:deletes]

        def change() -> Iterator[str]:
            cut = mock.patch.object(type(installation.index()), "drain", lambda _index: 0)
            with cut if self.without else nullcontext():
                for name in doomed:
                    installation.delete_page(f"{name}.md")
                    yield name

        asked, gone = self._storm(names, queries, deletes, change)
        violations = [
            (name, seen)
            for begun, _wanted, seen in asked
            for name, returned in gone.items()
            if returned < begun and any(page == name for page, _version in seen)
        ]
        met = sum(bool(seen) for _begun, _wanted, seen in asked)
        return {"queries": len(asked), "with_hits": met, "deletes": len(gone),
                "violations": len(violations)}  # fmt: skip

    def versions(self, queries: int, reads: int) -> dict[str, Any]:
        """How many queries met two versions of the document they asked for."""
        from tests.campaigns import installation

        names = [f"sheet-{n}" for n in range(4)]
        self._write(names, version=1)
        self._read()

        def change() -> Iterator[str]:
            live = mock.patch("documents.index.qdrant.replace", live_at_once)
            with live if self.without else nullcontext():
                for version in range(2, reads + 2):
                    self._write(names, version=version)
                    installation.queue()
                    installation.work()
                    yield str(version)

        asked, done = self._storm(names, queries, reads, change)
        mixed = [
            seen
            for _begun, wanted, seen in asked
            if len({version for page, version in seen if page == wanted}) > 1
        ]
        met = sum(bool(seen) for _begun, _wanted, seen in asked)
        return {"queries": len(asked), "with_hits": met, "reads": len(done),
                "violations": len(mixed)}  # fmt: skip

    def _storm(self, names: list[str], queries: int, changes: int, change: Any) -> Any:
        """(begun, what was asked for, [(page, version)]) of each query, and when each change had
        returned. Clocks of one machine."""
        from tests.campaigns.processes import Child

        finished = self.place / "finished"
        finished.unlink(missing_ok=True)
        seed = self.dice.randrange(10**9)
        answered = mmap.mmap(-1, 8)  # how many questions; shared by the two
        asking = Child(lambda: self._ask(names, queries, finished, answered, random.Random(seed)))

        def changing() -> Any:
            time.sleep(1.0)  # the other one is filling its replica
            done, texts = {}, chunk_texts()
            for number, name in enumerate(change(), 1):
                done[name] = time.monotonic()
                texts |= chunk_texts()
                deadline = time.monotonic() + PATIENCE
                while struct.unpack("q", answered[:])[0] < queries * number / changes:
                    if time.monotonic() > deadline:
                        raise TimeoutError("nobody asks any more")
                    time.sleep(0.001)
            finished.touch()
            return done, texts

        changer = Child(changing)
        changed, asked = changer.end(), asking.end()
        if changed.value is None or asked.value is None:
            raise SystemExit("a process of the storm did not come to its end; see above")
        done, texts = changed.value
        # A text of a version that was there too shortly to be seen at all is left out.
        seen = [
            (begun, wanted, [said(texts[pk]) for pk in pks if pk in texts])
            for begun, wanted, pks in asked.value
        ]
        return seen, done

    def _ask(
        self,
        names: list[str],
        queries: int,
        finished: Path,
        answered: mmap.mmap,
        dice: random.Random,
    ) -> Any:
        from documents.index.base import IndexQuery
        from documents.index.sparse import encode_query
        from documents.models import Chunk, Corpus
        from documents.scope import Scope
        from tests.campaigns import installation

        index = installation.index()
        scope = Scope(frozenset(Corpus.objects.values_list("pk", flat=True)))
        rows = Chunk.objects.live(scope)
        asked: list[Any] = []
        while len(asked) < queries or not finished.exists():
            wanted = dice.choice(names)
            begun = time.monotonic()
            query = IndexQuery(None, encode_query(wanted.replace("-", ""), "en"), scope)
            hits = index.search_now(query, 30)
            shown = hits if self.without else rows.passages(hits)
            asked.append((begun, wanted, [str(one.chunk_id) for one in shown]))
            answered[:] = struct.pack("q", len(asked))
        return asked

    def _write(self, names: list[str], version: int) -> None:
        for name in names:
            word = name.replace("-", "")
            parts = [
                f"## Part {part}\n\n{word} version {version} part {part}: "
                + " ".join(self.dice.choices(("reef", "tide", "mast", "keel"), k=6))
                + ".\n"
                for part in range(PARTS)
            ]
            draft = self.pages / f".{name}"
            draft.write_text(f"# {name}\n\n" + "\n".join(parts))
            draft.rename(self.pages / f"{name}.md")

    def _read(self) -> None:
        from tests.campaigns import installation
        from tests.campaigns.processes import in_child

        in_child(installation.queue)
        in_child(installation.work)


def live_at_once(point: Any, *, payload: dict[str, Any]) -> Any:
    return replace(point, payload={**payload, "live": True})


def chunk_texts() -> dict[str, str]:
    from documents.models import Chunk

    return {str(pk): text for pk, text in Chunk.objects.values_list("pk", "text")}


def said(text: str) -> tuple[str, int]:
    """The page and the version that a chunk says it is of."""
    word, _version, number, *_ = text.split()
    kind = word.rstrip("0123456789")
    return f"{kind}-{word.removeprefix(kind)}", int(number)


if __name__ == "__main__":
    sys.exit(main())
