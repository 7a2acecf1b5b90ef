"""The built site as a reader of the product meets it: crawled, asked, and every citation followed.

It is read as a source of kind site, over HTTP, through the one door, into a database of its own;
the answers are extractive ones. What a page holds is what lxml finds in the built file.
"""

import asyncio
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tests.campaigns.built_site import (
    INVISIBLE,
    BuiltPage,
    Host,
    page_and_anchor,
    pages_of,
    phrase,
    sitemap_paths,
    spaced,
    words,
)

if TYPE_CHECKING:
    from chat.events import Done
    from documents.models import Chunk
    from ingestion.runs import Report

NEEDED = 0.99
ANSWERED = 30  # questions, at least
CORPUS = "harrow"
# What the text of a chunk has that is no word of the page: numbers of a list, names of languages.
MARKS = re.compile(r"^\s*(?:- )*(?:\d+\.\s+)+|^\s*```.*$", re.MULTILINE)
HASH_LINK = re.compile(r"\u200b|[#¶]$", re.MULTILINE)
FOLDERS = ("", "fr/")  # each language has a sitemap of its own, and is a source of its own


def prepare(place: Path, host: Host) -> None:
    """Django, with the providers of the embedded shape and leave to fetch from this one host."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": f"sqlite:///{place}/db",
        "VAR_DIR": str(place / "var"), "FETCH_ALLOWED_ADDRESSES": host.address,
        "QUESTIONS_PER_MINUTE": "100000", "LOG_LEVEL": "ERROR",
    }  # fmt: skip
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def report(build: Path, host: Host) -> bool:
    """Prints what was found; false when a check fails."""
    print("as a web site:")
    begun = time.monotonic()
    pages = pages_of(build, host.base_path)
    with host.serving(build):
        reports = [ingest(f"{host.origin}{host.base_path}/{folder}") for folder in FOLDERS]
    chunks, listed = live_chunks(), set(sitemap_paths(build))
    good = [
        everything_was_read(reports, host, listed, chunks),
        addresses_exist(chunks, pages),
        words_are_the_content(chunks, {path: pages[path.rstrip("/")] for path in sorted(listed)}),
        citations_exist(answers(questions(pages)), pages),
    ]
    print(f"crawled, checked and asked in {time.monotonic() - begun:.0f} seconds")
    return all(good)


def ingest(address: str) -> "Report":
    from ingestion.models import IngestionRun
    from ingestion.pipeline import IngestionPipeline
    from ingestion.runs import ingest_source
    from ingestion.sources import SourceOptions, source_for

    source = source_for(address, SourceOptions(corpus=CORPUS), CORPUS, save=True)
    run = IngestionRun.objects.create(source=source)
    return ingest_source(run, IngestionPipeline.from_settings())


def live_chunks() -> "list[Chunk]":
    from documents.models import Chunk, Corpus
    from documents.scope import Scope

    scope = Scope(frozenset([Corpus.objects.get(slug=CORPUS).pk]))
    live = Chunk.objects.live(scope).select_related("document")
    return list(live.order_by("document__key", "position"))


# What was read


def everything_was_read(
    reports: "Iterable[Report]", host: Host, listed: set[str], chunks: "list[Chunk]"
) -> bool:
    """Each page that a sitemap lists, and nothing else."""
    results = [result for report in reports for result in report.results]
    read = {unquote(urlsplit(result.key).path) for result in results if result.outcome == "new"}
    for result in results:
        if result.outcome != "new" or result.warnings:
            print(f"{result.outcome}: {result.key} {result.reason} {list(result.warnings)}")
    for path in listed ^ read:
        print(f"{'not read' if path in listed else 'not in a sitemap'}: {path}")
    looked_for = [
        f"{path} {status}" for path, status in host.asked if path.endswith(("txt", "xml"))
    ]
    print(f"looked for a sitemap at: {', '.join(looked_for)}")
    print(f"{len(read & listed)} of {len(listed)} pages read, {len(chunks)} chunks")
    return read == listed


# Where it says it is


def addresses_exist(chunks: "list[Chunk]", pages: dict[str, BuiltPage]) -> bool:
    existing = [chunk for chunk in chunks if exists(chunk.url, pages)]
    anchored = [chunk for chunk in existing if chunk.anchor]
    at_its_heading = [chunk for chunk in anchored if leads_to_its_heading(chunk, pages)]
    unlinked = [chunk for chunk in existing if not chunk.anchor and could_have_one(chunk, pages)]
    for chunk in unlike(chunks, existing):
        print(f"does not exist: {chunk.url}")
    for chunk in unlike(anchored, at_its_heading):
        print(f"is another heading: {chunk.url} for {chunk.heading_path[-1]!r}")
    for chunk in unlinked:
        print(f"has an id that was not given: {chunk.url} {chunk.heading_path[-1]!r}")
    print(f"{of(existing, chunks)} addresses of chunks exist, {len(anchored)} with an anchor")
    print(f"{of(at_its_heading, anchored)} anchors are those of the chunk's own heading")
    return len(existing) >= NEEDED * len(chunks) and (
        len(at_its_heading) - len(unlinked) >= NEEDED * len(anchored)
    )


def exists(url: str, pages: dict[str, BuiltPage]) -> bool:
    path, anchor = page_and_anchor(url)
    return path in pages and (not anchor or anchor in pages[path].ids)


def leads_to_its_heading(chunk: "Chunk", pages: dict[str, BuiltPage]) -> bool:
    headings = pages[page_and_anchor(chunk.url)[0]].headings
    return (spaced(chunk.heading_path[-1]), chunk.anchor) in headings


def could_have_one(chunk: "Chunk", pages: dict[str, BuiltPage]) -> bool:
    """Of hidden characters nothing is given: an id that holds one is left out on purpose."""
    headings = pages[page_and_anchor(chunk.url)[0]].headings
    return any(
        name == spaced(chunk.heading_path[-1]) and anchor and not set(anchor) & set(INVISIBLE)
        for name, anchor in headings
    )


# What it says


def words_are_the_content(chunks: "list[Chunk]", pages: dict[str, BuiltPage]) -> bool:
    """Nothing from around the content, told twice: by its words, and word by word in order."""
    around = violations = written = lost = 0
    for path, page in pages.items():
        of_page = [chunk for chunk in chunks if unquote(urlsplit(chunk.url).path) == path]
        shown = [text for chunk in of_page for text in everything_shown(chunk)]
        for text in filter(HASH_LINK.search, shown):
            violations += 1
            print(f"{path}: {text!r} holds the sign of a link to a heading")
        around += len(page.around)
        for text in page.around:
            if phrase([text]) in phrase(shown):
                violations += 1
                print(f"{path}: {text!r} stands around the content, and in a chunk")
        written += len(page.words)
        for is_part, ours in differences(page.words, of_page):
            lost += len(is_part)
            violations += bool(ours)
            print(f"{path}: of the page {is_part}, in chunks {ours}")
    print(f"{violations} violations; {around} texts around the content were looked for in chunks")
    print(f"{written - lost} of {written} words of the content are in chunks")
    return not violations and lost <= (1 - NEEDED) * written


def everything_shown(chunk: "Chunk") -> list[str]:
    return [chunk.document.title, *chunk.heading_path, plain(chunk.text)]


def plain(text: str) -> str:
    return MARKS.sub("", text)


def differences(
    written: list[str], chunks: "Iterable[Chunk]"
) -> Iterator[tuple[list[str], list[str]]]:
    """Words of the page, and what stands in their place in its chunks."""
    told = [word for chunk in chunks for word in words(plain(chunk.text))]
    matcher = SequenceMatcher(None, written, told, autojunk=False)
    for what, a, b, c, d in matcher.get_opcodes():
        if what != "equal":
            yield written[a:b], told[c:d]


# What is answered


def questions(pages: dict[str, BuiltPage]) -> list[str]:
    """About each heading of the site."""
    headings = {name for page in pages.values() for name, anchor in page.headings if anchor}
    return [f"What about this: {name}?" for name in sorted(headings) if words(name)]


def answers(questions: list[str]) -> "list[Done]":
    from chat.auth.principal import Principal
    from chat.models import Conversation
    from chat.pipeline import AnswerPipeline
    from chat.turns import Turn
    from documents.models import Corpus

    corpus = Corpus.objects.get(slug=CORPUS)
    principal = Principal("user", "campaign", frozenset([corpus.pk]))
    turns = [
        Turn(
            Conversation.objects.create(corpus=corpus, owner=principal.owner),
            principal, question, principal.scope,
        )
        for question in questions
    ]  # fmt: skip
    pipeline = AnswerPipeline.from_settings()

    async def ask_all() -> "list[Done]":
        return [await last_event(pipeline, turn) for turn in turns]

    return asyncio.run(ask_all())


async def last_event(pipeline: Any, turn: Any) -> Any:
    async with aclosing(pipeline.answer(turn)) as events:
        return [event async for event in events][-1]


def citations_exist(done: "list[Done]", pages: dict[str, BuiltPage]) -> bool:
    cited = [citation for answer in done for citation in answer.citations]
    existing = [citation for citation in cited if exists(citation["url"], pages)]
    quoted = [citation for citation in existing if stands_there(citation, pages)]
    nearest = [place["url"] for answer in done for place in answer.nearest]
    lost = [url for url in nearest if not exists(url, pages)]
    for citation in unlike(cited, existing):
        print(f"cited and does not exist: {citation['url']}")
    for citation in unlike(existing, quoted):
        print(f"not on its page: {citation['url']} {citation['quote']!r}")
    for url in lost:
        print(f"named as near and does not exist: {url}")
    answered = sum(bool(answer.citations) for answer in done)
    print(f"{len(done)} questions: {answered} answered with citations,"
          f" {len(done) - answered} with {len(nearest)} nearest sections")  # fmt: skip
    print(f"{of(existing, cited)} cited addresses exist, {of(quoted, cited)} quotes stand there")
    return (
        answered >= ANSWERED and not lost and min(len(existing), len(quoted)) >= NEEDED * len(cited)
    )


def stands_there(citation: dict[str, Any], pages: dict[str, BuiltPage]) -> bool:
    page = pages[page_and_anchor(citation["url"])[0]]
    return phrase([plain(citation["quote"])]) in phrase(page.words)


def unlike(all_of_them: list[Any], good: list[Any]) -> list[Any]:
    return [one for one in all_of_them if one not in good]


def of(good: list[Any], all_of_them: list[Any]) -> str:
    return f"{len(good)} of {len(all_of_them)}"
