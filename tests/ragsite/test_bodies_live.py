"""Bodies that are too much, on sockets of the real server; what is left of them, and what works."""

import asyncio
import json
import socket
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest

from chat.llm.scripted import ScriptedModel
from chat.models import Message
from chat.pipeline import AnswerPipeline
from documents.models import Corpus, Document, Upload
from documents.uploads import upload_source
from ragsite import bodies
from tests.chat.clients import token_of
from tests.ragsite.callers import (
    CONVERSATIONS,
    DOCUMENTS,
    PROBLEM,
    by_key,
    by_session,
    set_small_limits,
)
from tests.uploading import keep_uploads_in, stored_files

HUGE = 100 * 10**9
JSON = "application/json"


@pytest.fixture(autouse=True)
def limits(settings, monkeypatch):
    set_small_limits(settings)
    monkeypatch.setattr(bodies, "GRACE", 0.5)


@pytest.fixture
def shelf(transactional_db):
    return upload_source(Corpus.objects.create(slug="papers", name="Papers", is_public=True))


@pytest.fixture
def spools(monkeypatch, tmp_path, settings):
    """Where Django stored bodies; in the end all are closed, and no file is left."""
    made = []

    class Recorded(tempfile.SpooledTemporaryFile):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.on_disk = False
            made.append(self)

        def rollover(self):
            self.on_disk = True
            super().rollover()

    folder = tmp_path / "temporary"
    folder.mkdir()
    settings.FILE_UPLOAD_TEMP_DIR = str(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", Recorded)
    yield made
    deadline = time.monotonic() + 5  # the answer is there a little earlier
    while any(folder.iterdir()) or not all(spool.closed for spool in made):
        assert time.monotonic() < deadline, [*folder.iterdir(), *made]
        time.sleep(0.02)


@pytest.fixture
def folder(tmp_path, settings):
    return keep_uploads_in(tmp_path / "uploads", settings)


def form(size):
    return {"files": {"file": ("lamp.md", b"x" * size)}}


@contextmanager
def connected(server):
    address = urlsplit(server)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        yield connection


def head(path, **headers):
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode()


def answer_on(connection):
    """Its status and code, once the server has closed the connection."""
    first, _, body = all_from(connection).partition(b"\r\n\r\n")
    return int(first.split()[1]), json.loads(body)["code"]


def all_from(connection):
    received = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return received


REFUSED = (413, "too_large")


@pytest.mark.parametrize("path", ["/", "/nowhere", DOCUMENTS, "/admin/login/", "/static/x"])
def test_a_hundred_gigabytes_are_refused_before_the_first_byte(server, path):
    with connected(server) as connection:
        began = time.monotonic()
        connection.sendall(head(path, Content_Length=HUGE))
        assert answer_on(connection) == REFUSED
        assert time.monotonic() - began < 3


def test_who_asks_before_sending_is_not_told_to_go_on(server):
    with connected(server) as connection:
        connection.sendall(head("/", Content_Length=HUGE, Expect="100-continue"))
        assert answer_on(connection) == REFUSED


def test_an_endless_body_in_chunks_ends(server, spools):
    piece, sent = b"2710\r\n" + b"x" * 10_000 + b"\r\n", 0
    with connected(server) as connection:
        connection.sendall(head("/", Transfer_Encoding="chunked"))
        with suppress(ConnectionError):
            began = time.monotonic()
            while time.monotonic() - began < 8:
                connection.sendall(piece)
                sent += 1
        assert time.monotonic() - began < 5, f"still taken after {sent} pieces"
        assert answer_on(connection) == REFUSED
    assert len(spools) == 1


def test_a_client_that_sends_all_before_it_reads_hears_why(server):
    answer = httpx.post(f"{server}{CONVERSATIONS}", content=b"x" * 5_000_000, trust_env=False)
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.json() == {
        "type": "about:blank", "status": 413, "code": "too_large",
        "detail": "The body of the request has more than 1,000 bytes.",
        "request_id": answer.headers["X-Request-ID"],
    }  # fmt: skip


def test_a_request_with_as_much_as_allowed_is_answered(server, shelf):
    body = json.dumps({"corpus": "papers"}).encode().ljust(1000)
    headers = {"Content-Type": JSON}
    with httpx.Client(base_url=server, headers=headers, trust_env=False) as client:
        assert client.post(CONVERSATIONS, content=body).status_code == 201
        assert client.post(CONVERSATIONS, content=body + b" ").status_code == 413
        assert client.post(CONVERSATIONS, content=body).status_code == 201


def test_a_body_in_chunks_is_read_like_any_other(server, shelf, folder, spools):
    def in_chunks(data):
        for at in range(0, len(data), 100):
            yield data[at : at + 100]

    with httpx.Client(base_url=server, trust_env=False) as client:
        request = client.build_request("POST", CONVERSATIONS, json={"corpus": "papers"})
        body = in_chunks(request.read())
        answer = client.post(CONVERSATIONS, content=body, headers={"Content-Type": JSON})
        assert answer.status_code == 201, answer.text

        request = client.build_request("POST", DOCUMENTS, **form(4000))
        headers = {**by_key(may_ingest=True), "Content-Type": request.headers["Content-Type"]}
        answer = client.post(DOCUMENTS, content=in_chunks(request.read()), headers=headers)
        assert answer.status_code == 202, answer.text
    assert Upload.objects.get().size == 4000


def test_a_slow_body_is_answered_and_the_connection_closed(server, settings):
    settings.BODY_SECONDS = 0.5
    with connected(server) as connection:
        connection.sendall(head("/", Content_Length=100) + b"x" * 50)
        assert answer_on(connection) == (408, "too_slow")


def test_what_comes_after_a_refused_body_is_no_request(server):
    """Nobody smuggles a second one in what was to be the first one's body."""
    smuggled = head(CONVERSATIONS, Content_Length=0)
    with connected(server) as connection:
        connection.sendall(head("/", Content_Length=len(smuggled) + HUGE) + smuggled)
        assert all_from(connection).count(b"HTTP/1.1 ") == 1


def test_an_upload_is_taken_from_who_may_and_from_nobody_else(server, shelf, folder, spools):
    with httpx.Client(base_url=server, trust_env=False) as client:
        refused = client.post(DOCUMENTS, **form(4000))
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
        assert "Only who may upload" in refused.json()["detail"]
        assert not any(spool.on_disk for spool in spools)

        taken = client.post(DOCUMENTS, **form(4000), headers=by_key(may_ingest=True))
        assert taken.status_code == 202, taken.text
        assert spools[-1].on_disk
    assert Upload.objects.get().size == 4000
    assert len(stored_files(folder)) == 1


def test_an_upload_that_grows_too_large_leaves_nothing_behind(
    server, shelf, folder, spools, settings
):
    """In chunks: how much it is shows only when it has come."""
    settings.UPLOAD_MAX_TOTAL_BYTES = 1_000_000

    def pieces():
        for _ in range(1000):
            yield b"x" * 10_000

    headers = {**by_key(may_ingest=True), "Content-Type": "multipart/form-data; boundary=x"}
    answer = httpx.post(f"{server}{DOCUMENTS}", content=pieces(), headers=headers, trust_env=False)
    assert answer.status_code == 413
    assert [(spool.on_disk, spool.closed) for spool in spools] == [(True, True)]
    assert stored_files(folder) == []


def test_an_upload_that_is_refused_after_it_came_leaves_nothing_behind(
    server, shelf, folder, spools
):
    files = [("file", (f"{number}.md", b"x" * 1700)) for number in range(3)]
    key = by_key(may_ingest=True)
    answer = httpx.post(f"{server}{DOCUMENTS}", files=files, headers=key, trust_env=False)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert "Together they have more" in answer.json()["detail"]
    assert spools[-1].on_disk
    assert stored_files(folder) == []


def test_an_action_on_as_many_rows_as_django_takes_still_works(server, shelf, settings):
    settings.REQUEST_MAX_BYTES = 1_000_000
    document = Document.objects.create(corpus=shelf.corpus, source=shelf, key="a", url="/a")
    token = "x" * 32
    cookie = by_session("view_document", "change_document")["cookie"]
    data = {
        "action": "withdraw", "csrfmiddlewaretoken": token,
        "_selected_action": [str(document.pk), *(str(10**9 + n) for n in range(990))],
    }  # fmt: skip
    answer = httpx.post(
        f"{server}/admin/documents/document/", data=data, trust_env=False,
        headers={"Cookie": f"{cookie}; csrftoken={token}"},
    )  # fmt: skip
    document.refresh_from_db()
    assert (answer.status_code, document.status) == (302, Document.Status.WITHDRAWN)


class Pause(asyncio.Event):
    """Of a model: longer than a body may take."""

    async def wait(self):
        await asyncio.sleep(0.8)


async def test_an_answer_streams_for_longer_than_a_body_may_take(
    corpus, monkeypatch, server, settings
):
    """And the hang-up in the middle of it is noticed: nobody comes back to read on."""
    settings.BODY_SECONDS, settings.UNWATCHED_SECONDS = 0.3, 0.1
    pipeline = replace(
        AnswerPipeline.from_settings(),
        model=ScriptedModel(["Once in ", Pause(), "twelve ", asyncio.Event(), "seconds."]),
    )
    monkeypatch.setattr(AnswerPipeline, "from_settings", classmethod(lambda cls: pipeline))
    async with httpx.AsyncClient(base_url=server, trust_env=False) as client:
        conversation = (await client.post(CONVERSATIONS, json={"corpus": "lighthouse"})).json()
        asking = client.stream(
            "POST", f"{CONVERSATIONS}{conversation['id']}/messages/",
            json={"question": "How often does the lamp turn?"},
            headers={"Accept": "text/event-stream", **token_of(conversation)},
        )  # fmt: skip
        async with asking as reply:
            lines, began = reply.aiter_lines(), time.monotonic()
            while "Once in" not in await anext(lines):
                pass
            assert time.monotonic() - began < 0.6
            while "twelve" not in await anext(lines):
                pass

    for _ in range(100):
        answer = await Message.objects.aget(role="assistant")
        if answer.status != "streaming":
            break
        await asyncio.sleep(0.05)
    assert (answer.status, answer.text) == ("cancelled", "Once in twelve ")
