"""What is known about a document: who is believed first, what is only suggested, what fits."""

from datetime import date, datetime

import pytest

from documents.models import Corpus, Document, Source, TrustTier
from ingestion.loaders.base import RawDocument
from ingestion.metadata import facts_of
from ingestion.parsing import parse
from ingestion.parsing.base import ParsedDocument
from ingestion.trust import suggested_tier

ADA, CHARLES, MARY = "Ada Lovelace", "Charles Babbage", "Mary Somerville"
COLD_SPRING = "Cold Spring Harbor Laboratory"
SOURCE = Source(
    corpus=Corpus(slug="docs", language="en"), slug="docs", trust_tier=TrustTier.OFFICIAL,
    options={"version": "source"},
)  # fmt: skip


def facts(metadata=None, *, title="A page", language=None, about=None):
    raw = RawDocument("a.md", b"", "text/markdown", "/a", about=about or {})
    return facts_of(SOURCE, raw, ParsedDocument(title, "", (), (), language, metadata or {}))


def test_a_document_that_says_nothing_gets_the_defaults():
    assert facts() == {
        "url": "/a", "title": "A page", "language": "en", "version": "source",
        "trust_tier": "official", "trust_reason": "the source's default", "trust_suggestion": "",
        "authors": [], "year": None, "doi": "",
    }  # fmt: skip


def test_a_documents_own_word_goes_before_its_place_and_that_before_the_source():
    about = {"version": "place", "language": "de"}
    assert facts({"version": "own"}, language="fr", about=about)["version"] == "own"
    assert facts({"version": "own"}, language="fr", about=about)["language"] == "fr"
    assert facts(about=about)["version"] == "place"
    assert facts(about=about)["language"] == "de"


def test_a_title_from_its_place_replaces_only_one_made_from_the_file_name():
    def page(text):
        return RawDocument(
            "guide/setup.md", text, "text/markdown", "/a", about={"title": "First\u202e steps"}
        )

    parsed = parse(page(b"Text.\n\n## More\n\nText.\n"))
    assert parsed.title == "First steps"
    assert [section.heading_path for section in parsed.sections] == [
        ("First steps",),
        ("First steps", "More"),
    ]
    assert parse(page(b"# Own title\n\nText.\n")).title == "Own title"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("Ada Lovelace", ["Ada Lovelace"]),
        (f"{ADA} and {CHARLES}; {MARY}", [ADA, CHARLES, MARY]),
        (f"{ADA}, {CHARLES} & {MARY}", [ADA, CHARLES, MARY]),
        ("Lovelace, Ada; Babbage, Charles", ["Lovelace, Ada", "Babbage, Charles"]),
        ("Lovelace, Ada and Babbage, Charles", ["Lovelace, Ada", "Babbage, Charles"]),
        ("Anderson, Band and Andrews", ["Anderson, Band", "Andrews"]),
        (["Ada Lovelace", "Ada Lovelace", None, 7, True], ["Ada Lovelace"]),
        ({"name": "Ada Lovelace", "url": "x"}, ["Ada Lovelace"]),
        ([{"name": "Ada Lovelace"}, {"title": "nobody"}], ["Ada Lovelace", "nobody"]),
        ({"ada": {"name": ADA}, "cb": {"name": CHARLES}}, [ADA, CHARLES]),
        ("", []), (None, []), (42, []), (True, []), (date(2020, 1, 1), []),
    ],
)  # fmt: skip
def test_authors_are_split_into_names(given, names):
    assert facts({"author": given})["authors"] == names


@pytest.mark.parametrize(
    ("metadata", "year"),
    [
        ({"year": 2021}, 2021), ({"year": "2021"}, 2021), ({"year": "2021-05-01"}, 2021),
        ({"date": date(1999, 5, 1)}, 1999), ({"date": datetime(1999, 5, 1, 8)}, 1999),
        ({"published": "2010/11"}, 2010), ({"year": "soon", "date": "2012-01-01"}, 2012),
        ({"year": 20215}, None), ({"year": -5}, None), ({"year": True}, None),
        ({"year": [2021]}, None),        ({"year": float("nan")}, None), ({"year": 10**40}, None),
    ],
)  # fmt: skip
def test_a_year_is_read_from_what_may_stand_there(metadata, year):
    assert facts(metadata)["year"] == year


@pytest.mark.parametrize(
    ("given", "doi"),
    [
        ("10.1038/s41586-020-2649-2", "10.1038/s41586-020-2649-2"),
        ("https://doi.org/10.1000/xyz(5).", "10.1000/xyz(5)"),
        ("doi:10.1000/a_b", "10.1000/a_b"),
        ("none", ""), (10.1038, ""), ([], ""), ("javascript:alert(1)", ""),
    ],
)  # fmt: skip
def test_a_doi_is_taken_out_of_its_address(given, doi):
    assert facts({"doi": given})["doi"] == doi


def test_front_matter_may_set_the_trust_tier_and_nonsense_may_not():
    assert facts({"trust_tier": "community"})["trust_tier"] == "community"
    assert facts({"trust_tier": "community"})["trust_reason"] == "front matter"
    for nonsense in ("holy", ["community"], {"a": 1}, None, True):
        assert facts({"trust_tier": nonsense})["trust_tier"] == "official"


@pytest.mark.parametrize(
    ("doi", "suggestion"),
    [
        ("10.1038/s41586-020-2649-2", "peer-reviewed: {} Nature Portfolio"),
        ("10.48550/arXiv.1706.03762", "preprint: {} arXiv"),
        ("10.1101/2020.03.22.002386", f"preprint: {{}} {COLD_SPRING} (bioRxiv, medRxiv)"),
        ("10.1101/gr.276813.122", f"peer-reviewed: {{}} {COLD_SPRING} Press"),
        ("10.31234/osf.io/abcde", "preprint: {} PsyArXiv"),
        ("10.5281/zenodo.123", "community: {} Zenodo, where anybody may deposit"),
        ("10.1007/978-3-030-12345-6_1", None),  # a chapter of a book
        ("10.99999/unknown", None), ("", None), ("nonsense", None),
    ],
)  # fmt: skip
def test_a_doi_only_suggests(doi, suggestion):
    if suggestion:
        suggestion = suggestion.format(f"the DOI's prefix {doi.partition('/')[0]} belongs to")
    assert str(suggested_tier(doi) or "") == (suggestion or "")
    known = facts({"doi": doi})
    assert known["trust_tier"] == "official"
    assert known["trust_suggestion"] == (suggestion or "")


def test_nothing_is_suggested_that_holds_already():
    known = facts({"doi": "10.1038/x1", "trust_tier": "peer-reviewed"})
    assert known["trust_suggestion"] == ""


@pytest.mark.parametrize(
    "title",
    ["RETRACTED: A study", "Retracted Article: A", "[Retracted] A", "RETRACTED—A"],
)
def test_a_retracted_title_outweighs_its_journal(title):
    known = facts({"doi": "10.1038/x1"}, title=title)
    assert known["trust_suggestion"] == 'retracted: its title begins with "retracted"'
    assert known["trust_tier"] == "official"


def test_prose_about_retraction_is_not_retracted():
    assert facts(title="Retracted papers and who cites them")["trust_suggestion"] == ""
    assert facts({"retracted": True})["trust_suggestion"] == "retracted: its metadata says so"
    assert facts({"retracted": "no"})["trust_suggestion"] == ""


HOSTILE_VALUES = [
    None, True, 0, -1, 2**50_000, float("inf"), float("nan"), "", "x" * 9999, "\x00\ud800\u202e",
    [], [[[[[["deep"]]]]]], {}, {"name": {"name": {"name": {"name": "deep"}}}}, [None] * 10_000,
    date(1, 1, 1), datetime(9999, 12, 31), b"bytes", object(), ("a", "b"), {1: 2, None: []},
]  # fmt: skip
FIELDS = ["title", "version", "language", "lang", "trust_tier", "author", "authors", "year", "date",
          "published", "doi", "retracted"]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("value", HOSTILE_VALUES, ids=lambda value: type(value).__name__)
def test_no_value_in_front_matter_breaks_a_row(value):
    corpus = Corpus.objects.create(slug="docs", name="Docs")
    source = Source.objects.create(corpus=corpus, slug="docs", location="/docs")
    raw = RawDocument("a.md", b"", "text/markdown", "/a", about=dict.fromkeys(FIELDS, value))
    parsed = ParsedDocument(
        "x" * 2000, "", (), (), value if isinstance(value, str) else None,
        dict.fromkeys(FIELDS, value),
    )  # fmt: skip
    document = Document(
        corpus=corpus, source=source, key="a.md", fingerprint="f", **facts_of(source, raw, parsed)
    )
    document.full_clean(exclude=["url"])
    document.save()
    document.refresh_from_db()
    assert all(isinstance(name, str) for name in document.authors)
