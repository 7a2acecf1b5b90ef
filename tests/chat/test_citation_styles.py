"""References in the styles that people hand in; the examples follow the manuals' own patterns."""

import json
from datetime import date

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pybtex.database import parse_string

from chat.authors import name_of
from chat.citation_styles import STYLES, Reference, apa, bibtex, csl_json, ieee

# The part of csl-data.json (Citation Style Language 1.0.2) that we use: nothing else is allowed.
DATE = {
    "type": "object",
    "properties": {
        "date-parts": {
            "type": "array", "minItems": 1, "maxItems": 2,
            "items": {"type": "array", "minItems": 1, "maxItems": 3,
                      "items": {"type": ["string", "number"]}},
        }
    },
    "additionalProperties": False,
}  # fmt: skip
TEXT = {"type": "string"}
NAME = {
    "type": "object",
    "properties": {"family": TEXT, "given": TEXT, "literal": TEXT},
    "additionalProperties": False,
}
CSL_DATA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "type": {"enum": ["article", "article-journal", "webpage"]},
            "id": {"type": ["string", "number"]}, "author": {"type": "array", "items": NAME},
            "accessed": DATE, "issued": DATE, "container-title": TEXT, "DOI": TEXT, "URL": TEXT,
            "language": TEXT, "note": TEXT, "title": TEXT, "version": TEXT,
        },
        "required": ["type", "id"],
        "additionalProperties": False,
    },
}  # fmt: skip

LAMP = "https://docs.example.org/lamp#timing"


def reference(**facts) -> Reference:
    defaults = {"numbers": (1,), "title": "The lamp", "url": LAMP, "accessed": date(2026, 11, 30),
                "site": "Lighthouse docs"}  # fmt: skip
    return Reference(**{**defaults, **facts})


def many(count: int) -> tuple[str, ...]:
    return tuple(f"Author{chr(65 + n)}, N." for n in range(count))


@pytest.mark.parametrize(
    ("written", "family", "given"),
    [
        ("Ada Lovelace", "Lovelace", "Ada"),
        ("Lovelace, Ada", "Lovelace", "Ada"),
        ("Ludwig van Beethoven", "van Beethoven", "Ludwig"),
        ("Juan de la Cruz", "de la Cruz", "Juan"),
        ("Martin Luther King Jr.", "King Jr.", "Martin Luther"),
        ("J.R.R. Tolkien", "Tolkien", "J.R.R."),
        ("Jean-Paul Sartre", "Sartre", "Jean-Paul"),
        ("Øyvind Æbeltoft", "Æbeltoft", "Øyvind"),
        ("World Health Organization", "World Health Organization", ""),
        ("The Lighthouse Team", "The Lighthouse Team", ""),
        ("University of Oslo", "University of Oslo", ""),
        ("FastAPI contributors", "FastAPI contributors", ""),
        ("Simon & Schuster", "Simon & Schuster", ""),
        ("Django", "Django", ""),
        ("王小明", "王小明", ""),
        ("山田 太郎", "山田 太郎", ""),
        ("Лев Толстой", "Лев Толстой", ""),
        ("Ministry of Lights, Department 3", "Ministry of Lights, Department 3", ""),
    ],
)
def test_names_are_taken_apart_only_where_they_are_people(written, family, given):
    name = name_of(written)
    assert (name.family, name.given) == (family, given)


@pytest.mark.parametrize(
    ("given", "initials"),
    [("Ada King", "A. K."), ("Jean-Paul Marie", "J.-P. M."), ("J.R.R.", "J. R. R."), ("ada", "A.")],
)
def test_initials(given, initials):
    assert name_of(f"Family, {given}").initials == initials


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"authors": ("Ada Lovelace",), "year": 2024},
         f"Lovelace, A. (2024). The lamp. Lighthouse docs. {LAMP}"),
        ({"authors": ("Ada Lovelace",)},
         "Lovelace, A. (n.d.). The lamp. Lighthouse docs. Retrieved November 30, 2026, from "
         f"{LAMP}"),
        ({"year": 2024}, f"The lamp. (2024). Lighthouse docs. {LAMP}"),
        ({"title": "What turns?"},
         f"What turns? (n.d.). Lighthouse docs. Retrieved November 30, 2026, from {LAMP}"),
        ({"authors": ("Lighthouse Board",), "year": 2024, "site": "Lighthouse Board"},
         f"Lighthouse Board. (2024). The lamp. {LAMP}"),
        ({"authors": ("Ada Lovelace", "Charles Babbage"), "year": 1843, "doi": "10.1000/182"},
         "Lovelace, A., & Babbage, C. (1843). The lamp. https://doi.org/10.1000/182"),
        ({"authors": ("王小明", "Ada Lovelace", "WHO"), "year": 2024, "version": "2.0"},
         f"王小明, Lovelace, A., & WHO. (2024). The lamp (Version 2.0). Lighthouse docs. {LAMP}"),
        ({"year": 2020, "trust_tier": "retracted"},
         f"The lamp [Retracted]. (2020). Lighthouse docs. {LAMP}"),
    ],
)  # fmt: skip
def test_apa(facts, expected):
    assert apa(reference(**facts)) == expected


def test_apa_names_twenty_authors_and_of_more_the_first_nineteen_and_the_last():
    assert "AuthorS, N., & AuthorT, N. (n.d.)" in apa(reference(authors=many(20)))
    assert "AuthorS, N., … AuthorU, N. (n.d.)" in apa(reference(authors=many(21)))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"authors": ("Ada Lovelace",), "year": 2024},
         "[1] A. Lovelace, “The lamp,” Lighthouse docs, 2024. Accessed: Nov. 30, 2026. [Online]. "
         f"Available: {LAMP}"),
        ({"site": ""}, f"[1] “The lamp.” Accessed: Nov. 30, 2026. [Online]. Available: {LAMP}"),
        ({"authors": ("Ada Lovelace", "Charles Babbage"), "year": 1843, "doi": "10.1000/182"},
         "[1] A. Lovelace and C. Babbage, “The lamp,” 1843, doi: 10.1000/182."),
        ({"authors": many(3), "doi": "10.1000/182", "numbers": (2, 5)},
         "[2], [5] N. AuthorA, N. AuthorB, and N. AuthorC, “The lamp,” doi: 10.1000/182."),
        ({"authors": many(7), "doi": "10.1000/182"},
         "[1] N. AuthorA et al., “The lamp,” doi: 10.1000/182."),
    ],
)  # fmt: skip
def test_ieee(facts, expected):
    assert ieee(reference(**facts)) == expected


def parsed(*references: Reference):
    return parse_string(STYLES["bibtex"].write(references), "bibtex").entries


def test_bibtex_says_what_is_known():
    one = reference(authors=("Ada Lovelace", "World Health Organization"), year=2024, version="2.0")

    (entry,) = parsed(one).values()

    fields = dict(entry.fields)
    assert [str(person) for person in entry.persons["author"]] == [
        "Lovelace, Ada", "{World Health Organization}",
    ]  # fmt: skip
    assert fields.pop("title") == "{The lamp}"
    assert fields == {
        "year": "2024", "howpublished": "Lighthouse docs", "version": "2.0", "url": LAMP,
        "urldate": "2026-11-30",
    }  # fmt: skip


def test_what_bibtex_would_take_as_its_own_is_escaped():
    (entry,) = parsed(reference(title="50% of {A} & B_1 #2 $3 ~x^2\\end")).values()

    assert entry.fields["title"] == (
        r"{50\% of \textbraceleft{}A\textbraceright{} \& B\_1 \#2 \$3 "
        r"\textasciitilde{}x\textasciicircum{}2\textbackslash{}end}"
    )


def test_a_key_is_the_same_in_every_list_and_no_others():
    one, other = reference(authors=("Ada Lovelace",), year=2024), reference(url=f"{LAMP}-2")

    assert bibtex(one).split(",")[0] == f"@misc{{{one.key}"
    assert one.key.startswith("lovelace2024-")
    others = [other, reference(title="王小明", url=f"{LAMP}-3"), reference(doi="10.1/2")]
    assert len({one.key, *(another.key for another in others)}) == 4
    assert reference(numbers=(7,), authors=("Ada Lovelace",), year=2024).key == one.key


TITLES = st.text(max_size=60).filter(str.strip)


@given(
    TITLES, st.lists(TITLES, max_size=4), st.text(max_size=30), st.sampled_from(["", "10.1/{x}"])
)
def test_whatever_a_document_is_called_its_bibtex_can_be_read(title, authors, site, doi):
    one = reference(title=title, authors=tuple(authors), site=site, doi=doi, url=f"{LAMP}{site}")
    other = reference(title="After it", url="https://docs.example.org/after")

    entries = parsed(one, other)

    assert [entry.fields["urldate"] for entry in entries.values()] == ["2026-11-30"] * 2
    assert entries[other.key].fields["title"] == "{After it}"


@given(TITLES, st.lists(TITLES, max_size=4), st.text(max_size=30),
       st.sampled_from(["peer-reviewed", "preprint", "retracted", "unknown"]),
       st.none() | st.integers(1, 2100))  # fmt: skip
def test_csl_json_is_valid(title, authors, site, tier, year):
    one = reference(title=title, authors=tuple(authors), site=site, trust_tier=tier, year=year,
                    doi="10.1000/182" if year else "")  # fmt: skip

    jsonschema.validate(json.loads(STYLES["csl-json"].write([one])), CSL_DATA)


def test_csl_json_says_what_is_known():
    one = reference(authors=("Ada Lovelace", "王小明"), year=2024, doi="10.1000/182",
                    trust_tier="retracted", language="en")  # fmt: skip

    assert csl_json(one) == {
        "id": one.key, "type": "article-journal", "title": "The lamp",
        "author": [{"family": "Lovelace", "given": "Ada"}, {"literal": "王小明"}],
        "issued": {"date-parts": [[2024]]}, "accessed": {"date-parts": [[2026, 11, 30]]},
        "container-title": "Lighthouse docs", "language": "en", "DOI": "10.1000/182", "URL": LAMP,
        "note": "Retracted",
    }  # fmt: skip
