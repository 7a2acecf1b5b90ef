"""Question sets: JSON lines, one question with what a right answer holds. Without Django.

    {"id": "hb-008", "question": "What share …?", "type": "fact", "answer_page": "curate/runs.md",
     "answer_heading": "The mass-delete guard", "key_facts": ["20 percent"]}

Optional: `history` (earlier messages: role, content), `also` (more sections that belong to the
answer: page, heading, facts), `lang`, `answer_route` and `answer_anchor` (the published address;
a null anchor means the top of the page). With the type "unanswerable" there is no page; `why` says
why, `near` names the page one would look at. Other fields are kept and not read.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

UNANSWERABLE = "unanswerable"
TEXTS = ("answer_page", "answer_heading", "lang", "answer_route", "answer_anchor", "why", "near")
LISTS = ("key_facts", "history", "also")
KNOWN = ("id", "question", "type", *TEXTS, *LISTS)
LANGUAGE_FOLDER = re.compile(r"^[a-z]{2}(?:-[a-zA-Z]{2,4})?/(?=.)")
MARKUP = re.compile(r"[`*\\]|\s*\{\s*#.*?\}")


class BadCases(Exception):
    """A question set that cannot be used. The message says where, and what to do."""


@dataclass(frozen=True)
class Section:
    """A section that holds a part of the answer, and what of it an answer should say."""

    page: str
    heading: str = ""
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One question. `line` is where it stood, for messages."""

    id: str
    question: str
    type: str = "question"
    answer_page: str = ""
    answer_heading: str = ""
    key_facts: tuple[str, ...] = ()
    history: tuple[tuple[str, str], ...] = ()  # role and content, oldest first
    also: tuple[Section, ...] = ()
    lang: str = ""
    answer_route: str = ""
    answer_anchor: str = ""
    why: str = ""
    near: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    line: int = field(default=0, compare=False)

    @property
    def answerable(self) -> bool:
        return self.type != UNANSWERABLE

    @property
    def place(self) -> str:
        """For messages."""
        return f"line {self.line} ({self.id})" if self.line else f"question {self.id}"

    @property
    def sections(self) -> tuple[Section, ...]:
        """The section of the answer, then the others that belong to it."""
        if not self.answerable:
            return ()
        return (Section(self.answer_page, self.answer_heading, self.key_facts), *self.also)

    @property
    def facts(self) -> tuple[str, ...]:
        return tuple(fact for section in self.sections for fact in section.facts)

    def as_json(self) -> dict[str, Any]:
        """What stands in its line; empty fields are left out."""
        row: dict[str, Any] = {"id": self.id, "question": self.question, "type": self.type}
        row |= {name: getattr(self, name) for name in TEXTS if getattr(self, name)}
        if self.answer_route:
            row["answer_anchor"] = self.answer_anchor or None
        if self.key_facts:
            row["key_facts"] = list(self.key_facts)
        if self.history:
            row["history"] = [{"role": role, "content": said} for role, said in self.history]
        if self.also:
            row["also"] = [
                {"page": part.page, "heading": part.heading, "facts": list(part.facts)}
                for part in self.also
            ]
        return {**row, **self.extra}


def read_cases(lines: Iterable[str], name: str) -> list[Case]:
    """The cases of a file; raises BadCases, which names the line."""
    cases: dict[str, Case] = {}
    for number, row in rows_of(lines, name):
        try:
            case = case_of(row, number)
        except ValueError as error:
            raise BadCases(f"{name}, line {number}: {error}") from error
        if case.id in cases:
            raise BadCases(
                f'{name}, line {number}: the id "{case.id}" is taken by line '
                f"{cases[case.id].line}. Give each question an id of its own."
            )
        cases[case.id] = case
    if not cases:
        raise BadCases(f"{name} holds no question. Write one JSON object a line.")
    return list(cases.values())


def rows_of(lines: Iterable[str], name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of each line that is not blank."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.removeprefix("\ufeff"))
        except ValueError as error:
            said = getattr(error, "msg", error)
            raise BadCases(
                f"{name}, line {number}: not JSON ({said}, character "
                f"{getattr(error, 'colno', 1)}). Each line must be one JSON object, on one line."
            ) from error
        if not isinstance(row, dict):
            raise BadCases(f"{name}, line {number}: not an object. Begin the line with {{.")
        yield number, row


def case_of(row: Mapping[str, Any], line: int = 0) -> Case:
    """Raises ValueError, which says what to change."""
    for name in ("id", "question"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise ValueError(f'"{name}" is missing. Every question needs an id and a question.')
    texts = {name: _text(row, name) for name in ("type", *TEXTS)}
    case = Case(
        id=row["id"], question=row["question"], **{**texts, "type": texts["type"] or "question"},
        key_facts=_texts(row, "key_facts"),
        history=tuple(_said(turn) for turn in _list(row, "history")),
        also=tuple(_section(part) for part in _list(row, "also")),
        extra={name: value for name, value in row.items() if name not in KNOWN}, line=line,
    )  # fmt: skip
    if case.answerable and not case.answer_page:
        raise ValueError(
            '"answer_page" is missing. Name the page that answers, or set "type" to '
            f'"{UNANSWERABLE}" if none does.'
        )
    if not case.answerable and case.answer_page:
        raise ValueError(
            f'it is "{UNANSWERABLE}" and has an "answer_page". Take one of them away; the page '
            'that comes closest belongs into "near".'
        )
    return case


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f'"{name}" must be a text, not {json.dumps(value)[:40]}.')
    return value or ""


def _list(row: Mapping[str, Any], name: str) -> list[Any]:
    value = row.get(name)
    if value is not None and not isinstance(value, list):
        raise ValueError(f'"{name}" must be a list: put it into brackets.')
    return value or []


def _texts(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = _list(row, name)
    if not all(isinstance(value, str) and value.strip() for value in values):
        raise ValueError(f'"{name}" must be a list of texts, none of them empty.')
    return tuple(values)


def _said(turn: Any) -> tuple[str, str]:
    if (
        not isinstance(turn, dict)
        or turn.get("role") not in ("user", "assistant")
        or not isinstance(turn.get("content"), str)
    ):
        raise ValueError('"history" must hold {"role": "user" or "assistant", "content": "…"}.')
    return turn["role"], turn["content"]


def _section(part: Any) -> Section:
    if not isinstance(part, dict) or not isinstance(part.get("page"), str) or not part["page"]:
        raise ValueError('"also" must hold {"page": "…", "heading": "…", "facts": ["…"]}.')
    return Section(part["page"], _text(part, "heading"), _texts(part, "facts"))


# How pages and headings compare


def same_page(one: str, other: str) -> bool:
    """Translations of a page answer like the page: a language's folder in front does not count."""
    return one == other or without_language(one) == without_language(other)


def without_language(page: str) -> str:
    return LANGUAGE_FOLDER.sub("", page)


def plain(heading: str) -> str:
    """A heading without markup, as a reader sees it."""
    return " ".join(MARKUP.sub("", heading).lower().split())
