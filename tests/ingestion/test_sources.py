"""Each kind of source on the whole way: from what an operator types to rows that can be cited."""

import re
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from documents.models import Chunk, Corpus, Document, Source
from ingestion.loaders.base import LoadError
from ingestion.models import IngestionRun
from ingestion.options import check_options
from ingestion.sources import SourceOptions, source_for
from tests.ingestion.pipelines import pipeline_with, run
from tests.ingestion.test_git import PAGES as REPOSITORY_PAGES
from tests.ingestion.test_git import Repository, served
from tests.standins.base import Reply
from tests.websites import Website, page, sitemap

pytestmark = pytest.mark.django_db
SITE = {
    "/": page("/lamp", "/horn", title="Lighthouse", text="A light for every ship."),
    "/lamp": page("/", title="The lamp", text="The lamp turns once in twelve seconds."),
    "/horn": page("/", title="The horn", text="The horn sounds in fog."),
}


@pytest.fixture
def website(settings):
    with Website(dict(SITE)) as site:
        settings.FETCH_ALLOWED_ADDRESSES = [site.address]
        yield site


@pytest.fixture
def site_source(website):
    corpus = Corpus.objects.create(slug="light", name="Light")
    options = {"mode": "crawl", "delay": 0}
    return Source.objects.create(
        corpus=corpus, slug="light", kind="site", location=website.url, options=options
    )


def texts(source=None):
    chunks = Chunk.objects.filter(document__source=source) if source else Chunk.objects.all()
    return " ".join(chunks.values_list("text", flat=True))


# Web sites


def test_an_address_is_ingested_like_a_folder(website):
    website.pages["/sitemap.xml"] = sitemap(*(website.url + path for path in SITE))
    call_command("ingest", website.url, corpus="light", json=True, stdout=StringIO())
    source = Source.objects.get()
    assert (source.kind, source.location) == ("site", website.url)
    assert set(Document.objects.values_list("url", flat=True)) == {
        f"{website.url}{path}" for path in SITE
    }
    assert "twelve seconds" in texts()


def test_a_page_that_is_gone_is_removed_and_one_that_breaks_stays(site_source, website):
    run(site_source, pipeline_with())
    website.pages["/"] = page("/lamp", "/horn", title="Lighthouse", text="Another light.")
    website.pages["/lamp"] = Reply(404, {}, (b"gone",))
    website.pages["/horn"] = Reply(403, {}, (b"not now",))
    report = run(site_source, pipeline_with())
    assert report.counts["removed"] == 1
    assert "404" in next(r.reason for r in report.results if r.outcome == "removed")
    assert Document.objects.filter(key__endswith="/horn").exists()


def test_a_site_that_is_down_loses_nothing(site_source, website):
    run(site_source, pipeline_with())
    website.pages = {path: Reply(503, {}, (b"later",)) for path in SITE}
    record = IngestionRun.objects.create(source=site_source)
    out = StringIO()
    with pytest.raises(CommandError, match="503"):
        call_command("ingest", "light", stdout=out, stderr=out)
    assert Document.objects.count() == 3
    assert IngestionRun.objects.exclude(pk=record.pk).first().status == "waiting"


def test_a_second_run_asks_whether_anything_changed_and_embeds_nothing(site_source, website):
    run(site_source, pipeline_with())
    website.requests.clear()
    report = run(site_source, pipeline_with())
    asked = [request for request in website.requests if request.path in ("/lamp", "/horn")]
    assert ["if-none-match" in request.headers for request in asked] == [True, True]
    assert (report.counts["unchanged"], report.counts["embedded"]) == (3, 0)


def test_a_page_that_is_unmodified_is_read_again_when_it_would_be_cut_otherwise(
    site_source, website, settings
):
    run(site_source, pipeline_with())
    settings.CHUNK_CHARS = 600
    assert run(site_source, pipeline_with()).counts["changed"] == 3
    assert "twelve seconds" in texts()


def test_what_a_limit_kept_from_being_seen_is_not_gone(site_source, website):
    run(site_source, pipeline_with())
    site_source.options = {**site_source.options, "max_pages": 1}
    site_source.save()
    record = IngestionRun.objects.create(source=site_source)
    from ingestion.runs import ingest_source

    ingest_source(record, pipeline_with())
    assert Document.objects.count() == 3
    record.refresh_from_db()
    assert record.warnings


def test_an_address_inside_is_not_fetched_unless_the_operator_allows_it(settings):
    with Website(dict(SITE)) as site:
        settings.FETCH_ALLOWED_ADDRESSES = []
        with pytest.raises(CommandError, match=r"not allowed|refused|public"):
            call_command("ingest", site.url, stdout=StringIO())
        assert site.requests == []


def test_an_entry_of_the_allowed_addresses_that_means_nothing_is_named(settings):
    settings.FETCH_ALLOWED_ADDRESSES = ["10.0.0.7"]
    with pytest.raises(CommandError, match=r"FETCH_ALLOWED_ADDRESSES: .*10\.0\.0\.7"):
        call_command("ingest", "https://docs.example.org", stdout=StringIO())
    assert IngestionRun.objects.get().status == "failed"


# Git


def test_a_repository_is_ingested_and_its_commit_is_on_record(settings):
    repository = Repository()
    commit = repository.commit(REPOSITORY_PAGES)
    with served(repository) as (url, _asked):
        settings.FETCH_ALLOWED_ADDRESSES = [url.split("/")[2]]
        call_command("ingest", url, git=True, folder="docs", json=True, stdout=StringIO())
    source = Source.objects.get()
    assert (source.kind, source.commit) == ("git", commit)
    assert set(Document.objects.values_list("key", flat=True)) == {"a.md", "deep/b.md"}
    assert Document.objects.get(key="a.md").url == f"/read/{source.slug}/a"


# What an operator types


@pytest.mark.parametrize(
    ("place", "kind", "slug"),
    [
        ("https://docs.example.org/guide/", "site", "docs-example-org"),
        ("https://github.com/owner/handbook.git", "git", "handbook"),
        ("HTTPS://Docs.Example.Org", "site", "docs-example-org"),
    ],
)
def test_an_address_says_what_it_is(place, kind, slug):
    source = source_for(place, SourceOptions(), "default", save=True)
    assert (source.kind, source.slug, source.location) == (kind, slug, place)
    assert source_for(place, SourceOptions(), "default", save=True).pk == source.pk


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ref": "main"}, "--ref is not for a source of kind site"),
        ({"folder": "docs"}, "--folder is not for a source of kind site"),
        ({"base_url": "https://a.example.org"}, "--base-url is not for a source of kind site"),
    ],
)
def test_an_option_of_another_kind_is_refused(options, message):
    with pytest.raises(CommandError, match=message):
        call_command("ingest", "https://docs.example.org", stdout=StringIO(), **options)
    assert not Source.objects.exists()


@pytest.mark.parametrize("place", ["https://", "ftp://docs.example.org", "http:///x"])
def test_what_is_no_address_leaves_no_source_behind(place):
    with pytest.raises(CommandError):
        call_command("ingest", place, stdout=StringIO())
    assert not Source.objects.exists()


def test_options_of_a_new_source_are_kept(site):
    call_command("ingest", str(site), include=["guide/*"], exclude=["*/lamp.md"], stdout=StringIO())
    assert Source.objects.get().options == {"include": ["guide/*"], "exclude": ["*/lamp.md"]}
    assert [document.key for document in Document.objects.all()] == ["guide/install.md"]


def test_one_source_that_cannot_be_read_does_not_keep_the_others(site, tmp_path):
    corpus = Corpus.objects.create(slug="c", name="C")
    for slug, place in (("a-gone", tmp_path / "gone"), ("b-here", site)):
        Source.objects.create(corpus=corpus, slug=slug, location=str(place))
    with pytest.raises(CommandError, match="a-gone: there is no folder"):
        call_command("ingest", stdout=StringIO())
    assert Document.objects.filter(source__slug="b-here").count() == 4


# Options


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("folder", {"inclde": ["*.md"]}, 'no option "inclde"'),
        ("folder", {"include": "*.md"}, "a list of texts"),
        ("folder", {"ref": "main"}, 'no option "ref"'),
        ("git", {"ref": 3}, "a text"),
        ("site", {"max_pages": -1}, "a number"),
        ("site", {"mode": "fast"}, "auto, sitemap or crawl"),
        ("upload", {"include": ["*.md"]}, 'no option "include"'),
        ("folder", ["*.md"], "a JSON object"),
    ],
)
def test_options_that_mean_nothing_are_refused_by_name(kind, options, said):
    with pytest.raises(LoadError, match=re.escape(said)):
        check_options(kind, options)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("folder", {}),
        ("folder", {"include": ["*.md"], "exclude": [], "version": "2.0"}),
        ("git", {"ref": "main", "folder": "docs"}),
        ("site", {"mode": "crawl", "max_pages": 5, "delay": 0.5, "keep_query": True}),
        ("upload", {"version": "1"}),
    ],
)
def test_options_that_mean_something_are_taken(kind, options):
    check_options(kind, options)


def test_a_source_that_is_described_by_hand_has_its_options_checked():
    with pytest.raises(ValidationError) as refused:
        Source(kind="folder", slug="light", options={"inclde": []}).clean()
    assert "exclude, include, version" in str(refused.value.message_dict["options"])
