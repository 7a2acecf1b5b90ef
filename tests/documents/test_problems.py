"""What Django refuses of a request is a problem like any other, in every view of the API."""

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import (
    BadRequest,
    RequestDataTooBig,
    SuspiciousFileOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.multipartparser import MultiPartParserError
from django.test import Client

from chat.models import ApiKey
from documents.models import Corpus, Upload
from documents.views import DocumentList

pytestmark = pytest.mark.django_db
PROBLEM = "application/problem+json"
DOCUMENTS = "/api/v1/documents/"


@pytest.fixture
def corpus():
    return Corpus.objects.create(slug="papers", name="Papers")


@pytest.fixture(params=["key", "session"])
def caller(request, corpus):
    """Who may upload: a form of theirs is read by the parser, or already for the token in it."""
    if request.param == "key":
        key, secret = ApiKey.objects.create_key(name="backend", scopes=["chat", "ingest"])
        key.corpora.set([corpus])
        return Client(headers={"Authorization": f"Api-Key {secret}"})
    caller = Client(enforce_csrf_checks=True)
    caller.force_login(User.objects.create_superuser("eve"))
    token = "x" * 32
    caller.cookies["csrftoken"] = token
    caller.defaults["HTTP_X_CSRFTOKEN"] = token
    return caller


def problem(answer):
    assert answer.headers["Content-Type"] == PROBLEM, answer.content
    return answer.status_code, answer.json()["code"]


def files(count):
    return [SimpleUploadedFile(f"{number}.md", b"# A\n") for number in range(count)]


def test_the_caller_of_these_tests_may_upload(caller):
    assert caller.post(DOCUMENTS, {"file": files(1)}).status_code == 202


def test_too_many_files_are_told_how_many_may_be_sent(caller, settings):
    settings.UPLOAD_MAX_FILES, settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2, 3
    for count in (3, 4):  # counted by us, and by Django
        answer = caller.post(DOCUMENTS, {"file": files(count)})
        assert problem(answer) == (413, "too_many_files")
        assert answer.json()["detail"] == "At most 2 files at once."
    assert not Upload.objects.exists()


def test_too_many_fields_have_a_code_of_their_own(caller, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 5
    answer = caller.post(DOCUMENTS, {f"field{number}": "x" for number in range(6)})
    assert problem(answer) == (413, "too_many_fields")


def test_too_much_in_the_fields_of_a_form_is_too_large(caller, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = caller.post(DOCUMENTS, {"source": "x" * 2000})
    assert problem(answer) == (413, "too_large")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=\xe9", b"--x\r\n"),
        ("multipart/form-data; boundary=x",
         b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n'
         b"Content-Transfer-Encoding: base64\r\n\r\n!\r\n--x--\r\n"),
    ],
    ids=["no-boundary", "bad-boundary", "bad-base64"],
)  # fmt: skip
def test_a_form_that_cannot_be_read_is_a_parse_error(caller, content_type, body):
    answer = caller.post(DOCUMENTS, body, content_type=content_type)
    assert problem(answer) == (400, "parse_error")


@pytest.mark.parametrize(
    "body", ["", "{", "\xff", "NaN", "[" * 100_000, '{"a":' * 100_000, "9" * 100_000],
    ids=["empty", "open", "no-utf-8", "nan", "lists", "objects", "digits"],
)  # fmt: skip
def test_json_that_cannot_be_read_is_a_parse_error(client, body):
    answer = client.post("/api/v1/search/", body.encode("latin1"), content_type="application/json")
    expected = (400, "parse_error") if body else (400, "invalid")  # no body: all fields are missing
    assert problem(answer) == expected


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (SuspiciousFileOperation("a path"), 400, "invalid"),
        (BadRequest("a path"), 400, "invalid"),
        (MultiPartParserError("Invalid boundary"), 400, "parse_error"),
        (RequestDataTooBig("a path"), 413, "too_large"),
        (TooManyFieldsSent("a path"), 413, "too_many_fields"),
        (TooManyFilesSent("a path"), 413, "too_many_files"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_any_view_refuses_it_in_the_same_form(client, monkeypatch, error, status, code):
    def refuse(self):
        raise error

    monkeypatch.setattr(DocumentList, "get_queryset", refuse)
    answer = client.get(DOCUMENTS)
    assert problem(answer) == (status, code)
    assert "a path" not in answer.content.decode()


def test_what_is_refused_before_any_view_is_a_problem_for_the_api_alone(client):
    unknown = {"Host": "not a host"}
    assert problem(client.get(DOCUMENTS, headers=unknown)) == (400, "invalid")
    page = client.get("/", headers=unknown)
    assert (page.status_code, page.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
