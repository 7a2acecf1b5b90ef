"""`/api/v1/documents/` and `/chunks/`: what a caller may read, page by page."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import DataError

from chat.models import ApiKey
from documents.models import Chunk, Corpus, Document
from documents.views import DocumentList
from tests.documents.builders import make_source, publish

pytestmark = pytest.mark.django_db
PROBLEM = "application/problem+json"


@pytest.fixture
def public():
    source = make_source("public")
    Corpus.objects.filter(slug="public").update(is_public=True)
    return source


@pytest.fixture
def private():
    return make_source("private")


def titles(response):
    assert response.status_code == 200, response.content
    return [document["title"] for document in response.json()["results"]]


def not_found(response):
    assert (response.status_code, response.headers["Content-Type"]) == (404, PROBLEM)
    assert response.json()["code"] == "not_found"
    return {**response.json(), "request_id": ""}


def key_for(*sources):
    key, secret = ApiKey.objects.create_key(name="backend")
    key.corpora.set(source.corpus for source in sources)
    return {"Authorization": f"Api-Key {secret}"}


# Who sees what


def test_anybody_reads_the_documents_of_public_corpora_only(client, public, private):
    publish(public, "open", ["one"])
    publish(private, "closed", ["two"])
    assert titles(client.get("/api/v1/documents/")) == ["open"]


def test_a_key_opens_its_corpora_and_no_others(client, public, private):
    publish(public, "open", ["one"])
    publish(private, "closed", ["two"])
    assert titles(client.get("/api/v1/documents/", headers=key_for(private))) == ["closed"]
    both = client.get("/api/v1/documents/", headers=key_for(public, private))
    assert titles(both) == ["closed", "open"]


def test_staff_who_may_view_corpora_read_all_of_them(client, public, private):
    publish(private, "closed", ["two"])
    user = User.objects.create_user("joe", is_staff=True)
    client.force_login(user)
    assert titles(client.get("/api/v1/documents/")) == []
    user.user_permissions.add(Permission.objects.get(codename="view_corpus"))
    assert titles(client.get("/api/v1/documents/")) == ["closed"]


def test_a_wrong_key_is_refused_and_never_treated_as_a_visitor(client, public):
    answer = client.get("/api/v1/documents/", headers={"Authorization": "Api-Key wrong.key"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, PROBLEM)
    assert answer.headers["WWW-Authenticate"] == "Api-Key"


def test_a_private_document_and_chunk_look_like_missing_ones(client, public, private):
    document, (chunk,) = publish(private, "closed", ["two"])
    missing = not_found(client.get("/api/v1/documents/999999/"))
    assert not_found(client.get(f"/api/v1/documents/{document.pk}/")) == missing
    assert not_found(client.get(f"/api/v1/chunks/{chunk.pk}/")) == missing
    assert not_found(client.get(f"/api/v1/chunks/{uuid4()}/")) == missing


def test_filters_narrow_and_never_widen(client, public, private):
    publish(public, "open", ["one"])
    publish(private, "closed", ["two"])
    list_ = "/api/v1/documents/"
    assert titles(client.get(list_, {"corpus": "public"})) == ["open"]
    assert titles(client.get(list_, {"source": public.slug})) == ["open"]
    assert titles(client.get(list_, {"corpus": "private"})) == []
    assert titles(client.get(list_, {"source": private.slug})) == []


def test_withdrawn_documents_and_disabled_chunks_are_gone(client, public):
    document, (shown, off) = publish(public, "open", ["one", "two"])
    Chunk.objects.filter(pk=off.pk).update(enabled=False)
    assert client.get(f"/api/v1/chunks/{shown.pk}/").status_code == 200
    not_found(client.get(f"/api/v1/chunks/{off.pk}/"))
    Document.objects.all().set_status(Document.Status.WITHDRAWN)
    not_found(client.get(f"/api/v1/documents/{document.pk}/"))
    not_found(client.get(f"/api/v1/chunks/{shown.pk}/"))
    assert titles(client.get("/api/v1/documents/")) == []


# What they look like


def test_a_document_says_what_is_known_about_it(client, public):
    document, _ = publish(public, "a.md", ["one"], title="A", version="2", authors=["Ann"])
    body = client.get(f"/api/v1/documents/{document.pk}/").json()
    assert body["corpus"] == "public"
    assert body["source"] == public.slug
    assert (body["key"], body["title"], body["version"]) == ("a.md", "A", "2")
    assert body["authors"] == ["Ann"]
    assert "fingerprint" not in body


def test_a_chunk_comes_with_its_document_and_its_own_address(client, public):
    _, (chunk,) = publish(public, "a", ["one"], ["A", "Part"], url="https://x.org/a")
    Chunk.objects.update(anchor="part")
    body = client.get(f"/api/v1/chunks/{chunk.pk}/").json()
    assert (body["text"], body["heading_path"]) == ("one", ["A", "Part"])
    assert body["url"] == "https://x.org/a#part"
    assert body["document"]["url"] == "https://x.org/a"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_visitor_can_write_nothing(client, public, method):
    document, (chunk,) = publish(public, "a", ["one"])
    forbidden = {("post", "documents/"), ("delete", f"documents/{document.pk}/")}
    for address in ("documents/", f"documents/{document.pk}/", f"chunks/{chunk.pk}/"):
        answer = getattr(client, method)(f"/api/v1/{address}", content_type="application/json")
        expected = 403 if (method, address) in forbidden else 405
        assert (answer.status_code, answer.headers["Content-Type"]) == (expected, PROBLEM)


# What cannot be answered


def test_a_value_that_the_database_refuses_is_the_callers_mistake(client, public, monkeypatch):
    assert client.get("/api/v1/documents/", {"corpus": "\0"}).status_code == 400

    def refuse(self):
        raise DataError("a value of the request, and a table's name")

    monkeypatch.setattr(DocumentList, "get_queryset", refuse)
    answer = client.get("/api/v1/documents/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, PROBLEM)
    assert answer.json()["code"] == "invalid"
    assert "table" not in answer.json()["detail"]


def test_a_body_that_is_too_large_is_a_problem_like_any_other(client, public, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = {"corpus": "public", "query": "x" * 2000}
    answer = client.post("/api/v1/search/", body, content_type="application/json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (413, PROBLEM)
    assert answer.json()["code"] == "too_large"


# Page by page


@pytest.fixture
def many(public):
    for number in range(230):
        Document.objects.create(
            corpus=public.corpus, source=public, key=str(number), title=str(number), url="/"
        )


def test_a_page_has_50_documents_newest_first_and_leads_to_the_next(client, many):
    seen, address = [], "/api/v1/documents/"
    while address:
        page = client.get(address)
        assert len(titles(page)) in (50, 30)
        seen += titles(page)
        address = page.json()["next"]
    assert seen == [str(number) for number in reversed(range(230))]


@pytest.mark.parametrize(("asked", "given"), [("7", 7), ("200", 200)])
def test_the_size_of_a_page_is_bounded(client, many, asked, given):
    assert len(titles(client.get("/api/v1/documents/", {"page_size": asked}))) == given


@pytest.mark.parametrize("asked", ["0", "-1", "many", "", "201", "٣", "5.0"])
def test_a_size_that_makes_no_sense_is_refused(client, many, asked):
    answer = client.get("/api/v1/documents/", {"page_size": asked})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert "page_size" in answer.json()["errors"]


def test_a_filter_that_does_not_exist_is_refused_by_name(client, many):
    answer = client.get("/api/v1/documents/", {"corpora": "public"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["errors"] == {"corpora": ["There is no such parameter."]}


def test_a_filter_that_is_given_twice_is_refused(client, many):
    answer = client.get("/api/v1/documents/?corpus=public&corpus=private")
    assert (answer.status_code, "corpus" in answer.json()["errors"]) == (400, True)


def test_a_broken_cursor_is_not_found(client, many):
    not_found(client.get("/api/v1/documents/", {"cursor": "broken"}))


def test_documents_that_arrive_meanwhile_do_not_shift_the_pages(client, many, public):
    first = client.get("/api/v1/documents/")
    publish(public, "new", ["new"])
    second = client.get(first.json()["next"])
    assert titles(second)[0] == "179"


def test_a_page_takes_a_fixed_number_of_queries(client, many, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        client.get("/api/v1/documents/", {"page_size": 200})
