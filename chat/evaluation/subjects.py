"""From what an operator typed to what is asked, and where: checked before anything is ingested."""

import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from django.core.management import CommandError, call_command
from django.utils.text import slugify

from chat.evaluation import beir
from chat.evaluation.cases import BadCases, Case, plain, read_cases, same_page
from chat.evaluation.question_sets import cases_of
from chat.models import QuestionSet
from documents.models import Chunk, Corpus, Document
from documents.providers import get_embedder, get_index

LANGUAGE = re.compile(r"[a-z]{2}")
LONGEST_SLUG = 45


@dataclass(frozen=True)
class Subject:
    """One set. It is asked of `corpus`; without one a corpus is made for it and thrown away."""

    name: str
    corpus: Corpus | None = None
    cases: Sequence[Case] = ()
    queries: Sequence[beir.Query] = ()
    folder: Path | None = None  # pages to ingest, or a BEIR folder
    language: str = "en"

    @property
    def kind(self) -> str:
        return "beir" if self.queries else "questions"

    def first(self, count: int | None) -> "Subject":
        return replace(self, cases=self.cases[:count], queries=self.queries[:count])


def subject(
    text: str,
    *,
    corpus: str | None,
    folder: Path | None,
    queries: Path | None,
    language: str | None,
) -> Subject:
    """Raises BadCases, which says what to type instead."""
    path = Path(text).expanduser()
    if folder is not None and not folder.expanduser().is_dir():
        raise BadCases(f"--folder {folder} is no folder. Give the folder that holds the pages.")
    chosen = corpus_named(corpus) if corpus else None
    if path.is_dir():
        if not beir.is_beir(path):
            raise BadCases(
                f"{path} holds no qrels.tsv, so it is no BEIR folder. For questions give their "
                ".jsonl file, and the folder of their pages with --folder."
            )
        own = path.name if LANGUAGE.fullmatch(path.resolve().name) else "en"
        name = path.resolve().name
        name = f"{path.resolve().parent.name}-{name}" if LANGUAGE.fullmatch(name) else name
        if queries:
            name += f"-{queries.resolve().parent.name}"
        return Subject(
            name, chosen, queries=beir.read_queries(path, queries),
            folder=None if chosen else path, language=language or own,
        )  # fmt: skip
    if queries:
        raise BadCases(f"--queries is for a BEIR folder, and {text} is none.")
    if path.is_file():
        if chosen is None and folder is None:
            raise BadCases(
                f"Say what to ask {path.name} of: --corpus SLUG for a corpus that is there, or "
                f"--folder FOLDER for pages to ingest for this purpose.{known_corpora()}"
            )
        return Subject(
            path.stem, chosen, read_cases(lines_of(path), path.name),
            folder=None if chosen else folder, language=language or "en",
        )  # fmt: skip
    question_set = QuestionSet.objects.filter(slug=text).select_related("corpus").first()
    if question_set is None:
        slugs = ", ".join(QuestionSet.objects.values_list("slug", flat=True)) or "none"
        raise BadCases(
            f'There is no file, folder or question set "{text}". Question sets: {slugs}.'
        )
    cases = cases_of(question_set.questions.all())
    if not cases:
        raise BadCases(f'The question set "{text}" is empty. Add questions in the admin.')
    place = chosen or (None if folder else question_set.corpus)
    return Subject(text, place, cases, folder=None if place else folder, language=language or "en")


def lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadCases(f"{path} is not UTF-8 at byte {error.start}. Save it as UTF-8.") from error


def corpus_named(slug: str) -> Corpus:
    corpus = Corpus.objects.filter(slug=slug).first()
    if corpus is None:
        raise BadCases(f'There is no corpus "{slug}".{known_corpora() or " There is none yet."}')
    return corpus


def known_corpora() -> str:
    slugs = list(Corpus.objects.values_list("slug", flat=True))
    return f" Corpora: {', '.join(slugs)}." if slugs else ""


def ingested(one: Subject) -> tuple[Corpus, int]:
    """Its folder as a corpus of the throw-away installation, and how many pages failed."""
    assert one.folder is not None  # noqa: S101 - it has one, as it has no corpus
    folder = one.folder.expanduser().resolve()
    slug = slugify(folder.name if one.cases else one.name)[:LONGEST_SLUG] or "pages"
    if known := Corpus.objects.filter(slug=slug).first():
        return known, 0  # another set asks the same folder
    if one.queries:
        return beir.store(folder, slug, one.language, get_embedder(), get_index()), 0
    Corpus.objects.create(slug=slug, name=slug, language=one.language)
    told = io.StringIO()
    try:
        # By name: chat may not import ingestion.
        call_command("ingest", str(folder), corpus=slug, json=True, stdout=told)
    except CommandError as error:
        raise BadCases(f"{folder} could not be ingested: {error}") from error
    except SystemExit:
        pass  # some pages failed, which is told below
    summary = json.loads(told.getvalue().splitlines()[-1])
    return Corpus.objects.get(slug=slug), summary["failed"]


def check_pages(one: Subject, corpus: Corpus) -> None:
    """Every page that a question names is in the corpus; raises BadCases."""
    pages = set(Document.objects.filter(corpus=corpus).values_list("key", flat=True))
    if not pages:
        raise BadCases(
            f'The corpus "{corpus}" holds no page. Ingest it first: manage.py ingest FOLDER '
            f"--corpus {corpus}"
        )
    for case in one.cases:
        for section in case.sections:
            if section.page in pages or any(same_page(section.page, page) for page in pages):
                continue
            raise BadCases(
                f'{one.name}, {case.place}: the corpus "{corpus}" has no page "{section.page}". '
                f"{_remedy(section.page, sorted(pages))}"
            )


def unknown_headings(one: Subject, corpus: Corpus) -> list[str]:
    """Headings that no chunk of their page stands under: of the page itself, not a translation."""
    pages = {section.page for case in one.cases for section in case.sections}
    chunks = Chunk.objects.filter(document__corpus=corpus, document__key__in=pages)
    known: dict[str, set[str]] = {}
    for key, title, path in chunks.values_list("document__key", "document__title", "heading_path"):
        known.setdefault(key, set()).update(map(plain, (title, *path)))
    return [
        f'{one.name}, {case.place}: {section.page} has no heading "{section.heading}"'
        for case in one.cases
        for section in case.sections
        if section.heading and section.page in known
        if plain(section.heading) not in known[section.page]
    ]


def _remedy(page: str, pages: Sequence[str]) -> str:
    name = page.rsplit("/", 1)[-1]
    alike = [known for known in pages if known.rsplit("/", 1)[-1] == name]
    if alike:
        return f'Is it "{alike[0]}"? Write it as the corpus does, or ingest the folder above.'
    return f'Write pages as the corpus does, say "{pages[0]}", or mark the question unanswerable.'
