"""`manage.py check` on embedding and index: each half-set combination has its message and hint."""

from io import StringIO

import pytest
from django.core.checks import run_checks
from django.core.checks.registry import registry
from django.core.management import CommandError, call_command

import documents.providers
from documents.checks import (
    a_file_fits_into_an_upload,
    database_addresses_fit,
    documents_are_in_the_current_space,
    providers_are_configured,
    the_collection_fits,
)
from documents.models import Document
from tests.documents.builders import make_source, publish


@pytest.fixture(autouse=True)
def fresh(settings):
    settings.QDRANT_URL = settings.QDRANT_API_KEY = ""
    documents.providers.reset()
    yield
    documents.providers.reset()


def found():
    return providers_are_configured(None)


def test_with_defaults_there_is_nothing_to_say():
    assert found() == []
    call_command("check", fail_level="WARNING")


@pytest.mark.parametrize(
    ("configured", "number", "message", "hint"),
    [
        (
            {"EMBEDDER": "best"},
            "E001",
            'EMBEDDER is "best"',
            "auto, cohere, bundled, multilingual, none",
        ),
        ({"EMBEDDER": "cohere"}, "E002", "COHERE_API_KEY is empty", "EMBEDDER=auto"),
        ({"FUSION": "sum"}, "E003", 'FUSION is "sum"', "rrf, dbsf"),
        ({"PROVIDER_PROXY": "socks5://p:1080"}, "E008", "no http:// or https://", "leave it empty"),
        ({"QDRANT_API_KEY": "k"}, "W001", "QDRANT_URL is empty", "Set QDRANT_URL"),
        (
            {"QDRANT_API_KEY": "k", "QDRANT_URL": "http://qdrant.example.org:6333"},
            "W002",
            "over plain HTTP",
            "https://",
        ),
        (
            {"COHERE_API_KEY": "k", "EMBEDDER": "bundled"},
            "W003",
            "EMBEDDER=bundled does not embed with it",
            "EMBEDDER=auto",
        ),
        (
            {"COHERE_API_KEY": "k", "EMBEDDER": "multilingual"},
            "W003",
            "EMBEDDER=multilingual does not embed with it",
            "EMBEDDER=auto",
        ),
        (
            {"COHERE_API_KEY": "k", "EMBEDDER": "none"},
            "W003",
            "EMBEDDER=none does not embed with it",
            "EMBEDDER=auto",
        ),
    ],
    ids=str,
)
def test_what_is_half_set_is_told_with_what_to_do(settings, configured, number, message, hint):
    for name, value in configured.items():
        setattr(settings, name, value)
    (problem,) = found()
    assert problem.id == f"documents.{number}"
    assert message in problem.msg
    assert hint in problem.hint
    assert problem.is_serious() == number.startswith("E")


def test_a_multilingual_model_that_is_not_installed_is_an_error(settings, monkeypatch):
    settings.EMBEDDER = "multilingual"
    assert found() == []
    monkeypatch.setattr(documents.checks, "find_spec", lambda name: None)
    (problem,) = found()
    assert problem.id == "documents.E006"
    assert "requirements-multilingual.txt" in problem.hint
    with pytest.raises(CommandError, match=r"documents\.E006"):
        call_command("ingest", "docs", skip_checks=False)


def test_budgets_are_hard_or_soft(settings):
    settings.BUDGETS = "elastic"
    (problem,) = run_checks(tags=["ragsite"])
    assert (problem.id, problem.is_serious()) == ("documents.E007", True)


def test_all_our_own_checks_carry_our_tag():
    ours = {
        check.__module__
        for check in registry.get_checks(include_deployment_checks=True)
        if check.__module__.split(".")[0] in ("documents", "ingestion", "chat", "ragsite")
        and "ragsite" not in check.tags
    }
    assert ours == set()


def test_a_file_that_may_be_larger_than_a_whole_upload_is_pointed_out(settings):
    assert a_file_fits_into_an_upload(None) == []
    settings.UPLOAD_MAX_BYTES = settings.UPLOAD_MAX_TOTAL_BYTES + 1
    (problem,) = a_file_fits_into_an_upload(None)
    assert problem.id == "documents.W005"
    assert "UPLOAD_MAX_TOTAL_BYTES" in problem.hint


@pytest.mark.parametrize(
    "configured",
    [
        {"COHERE_API_KEY": "k"},
        {"COHERE_API_KEY": "k", "EMBEDDER": "cohere"},
        {"EMBEDDER": "bundled"},
        {"EMBEDDER": "none"},
        {"FUSION": "rrf"},
        {"QDRANT_URL": "http://qdrant.example.org:6333"},
        {"QDRANT_URL": "https://qdrant.example.org:6333", "QDRANT_API_KEY": "k"},
        {"QDRANT_URL": "http://127.0.0.1:6333", "QDRANT_API_KEY": "k"},
        {"QDRANT_URL": "http://[::1]:6333", "QDRANT_API_KEY": "k"},
        {"QDRANT_URL": "http://localhost/", "QDRANT_API_KEY": "k"},
    ],
    ids=str,
)
def test_what_is_whole_needs_no_words(settings, configured):
    for name, value in configured.items():
        setattr(settings, name, value)
    assert found() == []


def test_a_key_is_never_printed(settings):
    settings.QDRANT_API_KEY = settings.COHERE_API_KEY = "very-secret"
    settings.QDRANT_URL, settings.EMBEDDER = "http://qdrant.example.org", "none"
    assert len(found()) == 2
    assert "very-secret" not in str(found())


# Embedding spaces: only with `check --database default`


def check_database():
    err = StringIO()
    call_command("check", databases=["default"], stderr=err)
    return err.getvalue()


@pytest.mark.django_db
def test_documents_of_another_space_are_counted(settings):
    settings.EMBEDDER = "none"
    source = make_source()
    publish(source, "a", ["one"], space="cohere/embed-v4.0/1024/c1")
    publish(source, "b", ["two"], space="cohere/embed-v4.0/1024/c1")
    publish(source, "c", ["three"], space="none/bm25/0/c1")
    message = check_database()
    assert "documents.W004" in message
    assert "2 documents were embedded in another space than the configured none/bm25/0" in message
    assert "Run `manage.py reindex`" in message


@pytest.mark.django_db
def test_documents_that_were_never_verified_are_not_counted():
    publish(make_source(), "a", ["one"], space="")
    assert Document.objects.exists()
    assert check_database() == ""


def test_without_the_option_no_database_is_asked(settings):
    assert documents_are_in_the_current_space(None) == []  # a test that may not use one


# Qdrant: only with `check --deploy`


def test_without_a_qdrant_there_is_nothing_to_ask():
    assert the_collection_fits(None) == []


def test_a_qdrant_that_does_not_answer_is_an_error_with_a_hint(settings):
    settings.QDRANT_URL, settings.QDRANT_TIMEOUT = "http://127.0.0.1:9", 1
    (problem,) = the_collection_fits(None)
    assert problem.id == "documents.E005"
    assert "Qdrant does not answer" in problem.msg
    assert "Check QDRANT_URL" in problem.hint


def test_a_collection_of_another_space_is_an_error(settings):
    settings.QDRANT_URL = ":memory:"
    index = documents.providers.get_index()
    index.prepare()
    settings.EMBEDDER = "none"
    documents.providers.get_embedder.cache_clear()
    index.space = documents.providers.NO_DENSE_VECTORS
    (problem,) = the_collection_fits(None)
    assert problem.id == "documents.E004"


def test_an_error_stops_every_command(settings):
    settings.EMBEDDER = "cohere"
    with pytest.raises(CommandError, match=r"\(documents\.E002\) EMBEDDER is cohere"):
        call_command("ingest", "docs", skip_checks=False)


# The addresses of the database

POOLED = "postgresql://ann:secret@ep-lamp-1-pooler.eu.example.org/docs"
DIRECT = "postgresql://ann:secret@ep-lamp-1.eu.example.org/docs"


@pytest.mark.parametrize(
    ("url", "direct", "found"),
    [
        (POOLED, DIRECT, []),
        (DIRECT, "", []),
        ("sqlite:////var/db.sqlite3", "", []),
        (POOLED, "", ["W010"]),
        (POOLED, POOLED, ["W011"]),
        (f"{POOLED}?options=-cstatement_timeout%3D15s", DIRECT, ["W012"]),
        (f"{POOLED}?sslmode=disable", DIRECT, ["W013"]),
        (POOLED, f"{DIRECT}?sslmode=prefer", ["W013"]),
        (f"{POOLED}?sslmode=require&channel_binding=require", DIRECT, []),
        ("postgresql://ann:secret@127.0.0.1/docs?sslmode=disable", "", []),
        ("postgresql://%2Fvar%2Frun/docs?sslmode=disable", "", []),
    ],
)
def test_addresses_of_the_database_that_do_not_fit_are_named(settings, url, direct, found):
    settings.DATABASE_URL, settings.DATABASE_DIRECT_URL = url, direct
    messages = database_addresses_fit(None)
    assert [message.id.removeprefix("documents.") for message in messages] == found
    assert "secret" not in str(messages)
