"""Question sets as rows: from JSON lines and back, and from what readers asked."""

import json
from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import transaction

from chat.evaluation.cases import BadCases, Case, case_of
from chat.models import Message, Question, QuestionSet
from chat.prompting import HISTORY_MESSAGES
from documents.models import Chunk, Corpus

COLUMNS = {"id": "key", "question": "question", "type": "type", "answer_page": "answer_page",
           "answer_heading": "answer_heading", "key_facts": "key_facts"}  # fmt: skip


def cases_of(questions: Iterable[Question]) -> list[Case]:
    return [as_case(question) for question in questions]


def as_case(question: Question) -> Case:
    columns = {field: getattr(question, name) for field, name in COLUMNS.items()}
    try:
        return case_of({**question.details, **columns})
    except ValueError as error:
        raise BadCases(f"Question {question.key}: {error}") from error


def as_lines(questions: Iterable[Question]) -> str:
    """JSON lines, as `read_cases` reads them."""
    rows = [json.dumps(case.as_json(), ensure_ascii=False) for case in cases_of(questions)]
    return "".join(f"{row}\n" for row in rows)


@transaction.atomic
def store(question_set: QuestionSet, cases: Iterable[Case]) -> tuple[int, int]:
    """How many are new, and how many took the place of one with the same id."""
    counts = [0, 0]
    for case in cases:
        row = case.as_json()
        columns = {name: row.pop(field, "") for field, name in COLUMNS.items()}
        columns["key_facts"] = columns["key_facts"] or []
        question = question_set.questions.filter(key=case.id).first()
        counts[question is not None] += 1
        question = question or Question(question_set=question_set)
        for name, value in {**columns, "details": row}.items():
            setattr(question, name, value)
        try:
            question.full_clean()
        except ValidationError as error:
            raise BadCases(f"Question {case.id}: {' '.join(error.messages)}") from error
        question.save()
    return counts[0], counts[1]


def set_named(slug: str, corpus: Corpus) -> QuestionSet:
    """Made at first sight; raises BadCases when it belongs to another corpus."""
    question_set = QuestionSet.objects.filter(slug=slug).first()
    question_set = question_set or QuestionSet(slug=slug, corpus=corpus)
    if question_set.corpus_id != corpus.pk:
        raise BadCases(f'The question set "{slug}" belongs to the corpus "{question_set.corpus}".')
    try:
        question_set.clean_fields()
    except ValidationError as error:
        raise BadCases(f'Question set "{slug}": {" ".join(error.messages)}') from error
    question_set.save()
    return question_set


# From a conversation


def asked_in(message: Message) -> tuple[Message, Message | None]:
    """The question of a turn and its answer, of which `message` is one."""
    turns = list(message.conversation.messages.all())
    at = turns.index(message)
    if message.role == Message.Role.USER:
        answers = [later for later in turns[at + 1 : at + 2] if later.role != message.role]
        return message, answers[0] if answers else None
    return (turns[at - 1], message) if at else (message, message)


def draft(question: Message, answer: Message | None) -> Case:
    """A case to be completed by a curator: what was cited or found first may be wrong."""
    history = [
        (earlier.role, earlier.text)
        for earlier in question.conversation.messages.all()
        if earlier.created_at < question.created_at and earlier.text
    ][-HISTORY_MESSAGES:]
    page, heading = _place(answer)
    return Case(
        id=f"m-{question.pk.hex[:12]}", question=question.text, answer_page=page,
        answer_heading=heading, history=tuple(history),
        type="follow-up" if history else "question",
    )  # fmt: skip


def _place(answer: Message | None) -> tuple[str, str]:
    citation = answer.citations.first() if answer else None
    chunk = None
    if citation:
        chunks = Chunk.objects.select_related("document")
        chunk = chunks.filter(pk=citation.chunk_id).first()
    if chunk is None:
        return "", ""
    return chunk.document.key, (chunk.heading_path or [chunk.document.title])[-1]


def problem_with_place(corpus: Corpus, page: str, heading: str) -> str:
    """What is wrong with a page and heading that somebody typed; empty if they are there."""
    chunks = Chunk.objects.filter(document__corpus=corpus, document__key=page)
    rows = list(chunks.values_list("document__title", "heading_path"))
    if not rows:
        return f'The corpus "{corpus}" has no page "{page}".'
    headings = list(dict.fromkeys(name for title, path in rows for name in (title, *path) if name))
    if heading and heading not in headings:
        return f'The page has no heading "{heading}". It has: {" · ".join(headings[:40])}.'
    return ""
