"""Ingest whole folders: what became of every file, how long it took, and what a second run costs.

    python benchmarks/ingestion.py [FOLDER ...]     (default: each corpus of ../shared/eval/corpora)

Also counts chunks in which raw syntax was left (import lines, JSX tags, front matter, shortcodes)
outside of code, and edits one sentence of one page to see what is embedded again.
"""

import argparse
import re
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.environment import EVAL_DIR, set_up

# To its end, or to that of the chunk: a listing longer than a chunk is cut.
FENCE = re.compile(r"^ *(`{3,}|~{3,}).*?(?:^ *\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
RAW = {
    "import": re.compile(r"^(?:import|export)\s.+from\s+['\"]", re.MULTILINE),
    "JSX": re.compile(r"</?[A-Z]\w*(?:\s[^<>]*)?/?>"),
    "front matter": re.compile(r"\A---\n"),
    "shortcode": re.compile(r"\{\{[<%#]"),
    "comment": re.compile(r"\{/\*"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folders", nargs="*", type=Path)
    folders = parser.parse_args().folders or sorted((EVAL_DIR / "corpora").iterdir())
    database = set_up()
    print("| corpus | files | items | new | skipped | failed | chunks | seconds | pages/s "
          "| again, seconds | again, embedded | one sentence, embedded | raw syntax |")  # fmt: skip
    print("|---|" + "---:|" * 12)
    for folder in folders:
        if folder.is_dir():
            measure(folder)
    database.cleanup()


def measure(folder: Path) -> None:
    from documents.models import Chunk, Corpus, Source

    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / folder.name
        shutil.copytree(folder, copy)
        corpus = Corpus.objects.create(slug=folder.name, name=folder.name)
        source = Source.objects.create(corpus=corpus, slug=folder.name, location=str(copy))
        first, seconds = ingest(source)
        again, again_seconds = ingest(source)
        edited = edit_one_sentence(source, copy)
        third, _ = ingest(source)
        counts = first.counts
        pages = counts.get("new", 0) + counts.get("failed", 0)
        files = sum(path.is_file() for path in copy.rglob("*"))
        chunks = Chunk.objects.filter(document__source=source)
        raw = Counter(name for text in prose_of(source) for name in found(text))
        row = [
            folder.name, files, first.items.count(), counts.get("new", 0),
            counts.get("skipped", 0), counts.get("failed", 0), chunks.count(), f"{seconds:.1f}",
            f"{pages / seconds:.1f}", f"{again_seconds:.2f} ({again_seconds / seconds:.1%})",
            again.counts.get("embedded", 0),
            f"{third.counts.get('embedded', 0)} of {third.counts.get('chunks', 0)}"
            if edited else "-",
            dict(raw) or 0,
        ]  # fmt: skip
        print("| " + " | ".join(map(str, row)) + " |", flush=True)
        for item in first.items.filter(outcome="failed"):
            print(f"    failed: {item.key}: {item.reason}", file=sys.stderr)


def ingest(source):  # type: ignore[no-untyped-def]
    from ingestion.models import IngestionRun
    from ingestion.pipeline import IngestionPipeline
    from ingestion.runs import ingest_source

    pipeline = IngestionPipeline.from_settings()
    if pipeline.embedder:
        pipeline.embedder.embed_documents(["The model is loaded before the clock runs."])
    run = IngestionRun.objects.create(source=source)
    begun = perf_counter()
    ingest_source(run, pipeline)
    return run, perf_counter() - begun


def edit_one_sentence(source, folder: Path) -> bool:  # type: ignore[no-untyped-def]
    """In the Markdown page with the most chunks."""
    from django.db.models import Count

    pages = source.documents.annotate(parts=Count("chunks")).order_by("-parts")
    for page in pages.filter(key__regex=r"\.mdx?$"):
        path = folder / page.key
        text = path.read_text("utf-8")
        for chunk in page.chunks.all():
            if chunk.text in text and ". " in chunk.text and "```" not in chunk.text:
                path.write_text(text.replace(chunk.text, chunk.text.replace(". ", ". Indeed, ", 1)))
                return True
    return False


def prose_of(source):  # type: ignore[no-untyped-def]
    """Every chunk without its code; the rest of a listing that was cut begins with no fence."""
    from ingestion.parsing import parse
    from ingestion.sources import loader_for

    with loader_for(source) as loader:
        for document in source.documents.all():
            text = parse(loader.read(document.key)).text
            for chunk in document.chunks.all():
                listings = (match.span() for match in FENCE.finditer(text))
                inside = any(start < chunk.char_start < end for start, end in listings)
                opened = f"```\n{chunk.text}" if inside else chunk.text
                yield INLINE_CODE.sub(" ", FENCE.sub(" ", opened))


def found(prose: str) -> list[str]:
    return [name for name, pattern in RAW.items() if pattern.search(prose)]


if __name__ == "__main__":
    main()
