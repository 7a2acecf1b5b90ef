"""ETags of documents and chunks: sent once, and changed with whatever is shown."""

import pytest
from django.contrib.auth.models import User
from django.db.models import F

from documents.models import Chunk, Corpus, Document, Source
from tests.documents.builders import make_source, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def document():
    source = make_source("public")
    Corpus.objects.filter(slug="public").update(is_public=True)
    return publish(source, "a", ["one"])[0]


@pytest.fixture(params=["documents", "chunks"])
def address(request, document):
    pk = document.pk if request.param == "documents" else Chunk.objects.get().pk
    return f"/api/v1/{request.param}/{pk}/"


def test_what_has_not_changed_is_not_sent_again(client, address, monkeypatch):
    first = client.get(address)
    monkeypatch.setattr("rest_framework.serializers.Serializer.to_representation", None)

    again = client.get(address, headers={"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert first["Cache-Control"] == again["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    "change",
    [
        lambda: Document.objects.update(title="Another"),
        lambda: Document.objects.update(indexed_at=None, version="9"),
        lambda: Source.objects.update(slug="renamed"),
        lambda: Corpus.objects.update(slug="moved"),
    ],
)
def test_whatever_is_shown_changes_the_tag(client, address, change):
    first = client.get(address)
    change()

    again = client.get(address, headers={"If-None-Match": first["ETag"]})

    assert again.status_code == 200
    assert again["ETag"] != first["ETag"] and again.json() != first.json()


@pytest.mark.parametrize(
    "change",
    [
        lambda: Corpus.objects.update(revision=F("revision") + 1),
        lambda: Document.objects.update(memory={"seen": "today"}),
        lambda: Source.objects.update(options={"depth": 2}),
    ],
    ids=["a publishing", "a visit of its loader", "an option of its source"],
)
def test_what_is_not_shown_leaves_the_tag_as_it_is(client, address, change):
    first = client.get(address)
    change()

    assert client.get(address, headers={"If-None-Match": first["ETag"]}).status_code == 304


def test_a_document_is_deleted_as_it_was_seen_or_not_at_all(client, document):
    client.force_login(User.objects.create_superuser("root"))
    address = f"/api/v1/documents/{document.pk}/"
    seen = client.get(address)["ETag"]
    Document.objects.update(title="Another")

    refused = client.delete(address, headers={"If-Match": seen})

    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert Document.objects.exists()
    now = client.get(address)["ETag"]
    assert client.delete(address, headers={"If-Match": now}).status_code in (200, 202)
    assert not Document.objects.exists()
