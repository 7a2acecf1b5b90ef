"""How many chunks fit into Qdrant's free cluster, as a table for the handbook.

    .venv/bin/python benchmarks/index_sizes.py            # prints it
    .venv/bin/python benchmarks/index_sizes.py --write    # puts it into its page

The formula is that of `ingest --plan` (documents/index/sizing.py); index_memory.py holds it against
Qdrant's engine.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "handbook" / "operate" / "free-tiers.md"
TABLE = re.compile(r"(\| dimensions \|.*?\n)(?=\n)", re.DOTALL)
MEMORY, DISK = 1_000_000_000, 4_000_000_000
DIMENSIONS = (1024, 512, 384, 256, 0)


def table() -> str:
    from documents.index.sizing import chunks_that_fit, collection_size

    lines = [
        "| dimensions | chunks that fit | memory for 100,000 chunks | disk for 100,000 chunks |",
        "|---|---|---|---|",
    ]
    for dimension in DIMENSIONS:
        fit = chunks_that_fit(MEMORY, DISK, dimension)
        size = collection_size(100_000, dimension)
        name = str(dimension) if dimension else "0 (words alone)"
        lines.append(
            f"| {name} | {fit:,} | {size.memory / 1e6:.0f} MB | {size.disk / 1e6:.0f} MB |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true")
    if not parser.parse_args().write:
        print(table(), end="")
        return
    page, found = TABLE.subn(lambda _match: table(), PAGE.read_text("utf-8"))
    assert found == 1, "the page has no table of this kind, or several"
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
