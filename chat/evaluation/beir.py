"""A BEIR folder: corpus.jsonl, queries.jsonl, qrels.tsv; as rows, and asked of the retriever."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from uuid import UUID, uuid5

from chat.evaluation.cases import BadCases, rows_of
from chat.evaluation.running import warm_up
from chat.retrieval import Retriever
from documents.embedding.base import DocumentEmbedder
from documents.index.base import IndexPoint, IndexWriter
from documents.index.payload import payload_of
from documents.index.sparse import encode_document
from documents.models import Chunk, Corpus, Document, IndexChange, Source
from documents.passages import Passage
from documents.scope import Scope
from documents.threads import in_database_thread

NAMESPACE = UUID("0c9ff0ac-94f4-4a3c-8f5c-0e8a7a2c9d11")
FILES = ("corpus.jsonl", "queries.jsonl", "qrels.tsv")
BATCH_SIZE = 96
DEPTH = 50  # passages asked for: as many as the measures look at


@dataclass(frozen=True)
class Query:
    id: str
    text: str
    grades: Mapping[str, int]  # by the id of the text


def is_beir(folder: Path) -> bool:
    return (folder / "qrels.tsv").is_file()


def read_queries(folder: Path, queries: Path | None = None) -> list[Query]:
    """Those that have a judged text; raises BadCases. `queries` replaces the folder's own."""
    judged = _judgements(folder / "qrels.tsv")
    path = queries or folder / "queries.jsonl"
    texts = {row_id: text for row_id, _title, text in _texts(path)}
    found = [Query(pk, texts[pk], grades) for pk, grades in judged.items() if pk in texts]
    if not found:
        raise BadCases(
            f"{path}: none of its queries stands in {folder / 'qrels.tsv'}. The ids in _id and in "
            "the first column must be the same."
        )
    return found


def _judgements(path: Path) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for number, row in enumerate(csv.reader(_lines(path), delimiter="\t"), start=1):
        if (number == 1 and row[-1:] == ["score"]) or not row:
            continue
        try:
            query, text, grade = row
            judged.setdefault(query, {})[text] = int(grade)
        except ValueError as error:
            raise BadCases(
                f"{path}, line {number}: not a judgement. A line is a query's id, a text's id and "
                "a whole number, with tabs between them."
            ) from error
    return {query: grades for query, grades in judged.items() if max(grades.values()) > 0}


def _texts(path: Path) -> Iterator[tuple[str, str, str]]:
    """Id, title and text of each line."""
    for number, row in rows_of(_lines(path), str(path)):
        if not isinstance(row.get("_id"), str) or not isinstance(row.get("text"), str):
            raise BadCases(f'{path}, line {number}: "_id" and "text" must both be texts.')
        yield row["_id"], str(row.get("title") or ""), row["text"]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise BadCases(f"{path} is missing. A BEIR folder holds {', '.join(FILES)}.") from error
    except UnicodeDecodeError as error:
        raise BadCases(f"{path} is not UTF-8 at byte {error.start}. Save it as UTF-8.") from error


def store(
    folder: Path, slug: str, language: str, embedder: DocumentEmbedder | None, index: IndexWriter
) -> Corpus:
    """One document and one chunk for each text, embedded unless a vector is there already."""
    corpus = Corpus.objects.create(slug=slug, name=slug, language=language)
    source = Source.objects.create(corpus=corpus, slug=f"{slug[:44]}-texts", location=str(folder))
    documents, chunks = [], []
    for key, title, text in _texts(folder / "corpus.jsonl"):
        document = Document(
            corpus=corpus, source=source, key=key, title=title[:500], language=language,
            url="", fingerprint="-",
        )  # fmt: skip
        documents.append(document)
        chunks.append(
            Chunk(
                id=uuid5(NAMESPACE, f"{slug}/{key}/{title}/{text}"), document=document,
                position=0, text=text, line_start=1, line_end=1, char_start=0,
                char_end=len(text), token_estimate=0, text_hash="",
            )
        )  # fmt: skip
    if not chunks:
        raise BadCases(f"{folder / 'corpus.jsonl'} holds no text.")
    Document.objects.bulk_create(documents)
    Chunk.objects.bulk_create(chunks)
    index.prepare()
    known = index.present(chunk.pk for chunk in chunks)
    missing = [chunk for chunk in chunks if chunk.pk not in known]
    for start in range(0, len(missing), BATCH_SIZE):
        index.upsert(_points(missing[start : start + BATCH_SIZE], language, embedder))
    IndexChange.objects.record([chunk.pk for chunk in chunks])
    index.drain()
    return corpus


def _points(
    chunks: Sequence[Chunk], language: str, embedder: DocumentEmbedder | None
) -> list[IndexPoint]:
    texts = [chunk.searchable_text for chunk in chunks]
    vectors = None if embedder is None else embedder.embed_documents(texts)
    return [
        IndexPoint(
            chunk.pk,
            None if vectors is None else vectors[row],
            encode_document(texts[row], language),
            payload_of(chunk),
        )
        for row, chunk in enumerate(chunks)
    ]


@dataclass(frozen=True)
class Searched:
    """What the retriever brought up for one query, best first."""

    query: Query
    ranking: Sequence[str]  # keys of the documents, each once
    timings: Mapping[str, float]


async def search_all(
    retriever: Retriever, corpus: Corpus, queries: Sequence[Query]
) -> list[Searched]:
    """The production path of a search, only with more passages than a prompt has room for."""
    scope, found = Scope(frozenset([corpus.pk])), []
    await warm_up(retriever, scope)
    for query in queries:
        began = perf_counter()
        result = await retriever.search(query.text, scope, language=corpus.language, top_k=DEPTH)
        timings = {**result.timings, "total": round((perf_counter() - began) * 1000, 2)}
        keys = await in_database_thread(_keys)(result.passages)
        found.append(Searched(query, list(dict.fromkeys(keys)), timings))
    return found


def _keys(passages: Sequence[Passage]) -> list[str]:
    ids = [passage.document_id for passage in passages]
    keys = dict(Document.objects.filter(pk__in=ids).values_list("pk", "key"))
    return [keys[pk] for pk in ids if pk in keys]
