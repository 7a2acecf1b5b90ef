"""Bodies are measured on their way in, message by message."""

import asyncio
import json
import time

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from chat.auth import visitors
from documents.models import Corpus
from documents.uploads import upload_source
from ragsite import bodies
from ragsite.bodies import MeasuredBodies
from tests.ragsite.callers import DOCUMENTS, PROBLEM, by_key, by_session, set_small_limits


@pytest.fixture(autouse=True)
def limits(settings, monkeypatch):
    set_small_limits(settings)
    monkeypatch.setattr(bodies, "GRACE", 0.5)


class Exchange:
    """One request, and what became of it."""

    def __init__(self, *parts, path="/", method="POST", then="wait", **headers):
        self.scope = {
            "type": "http", "method": method, "path": path,
            "headers": [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()],
        }  # fmt: skip
        last = len(parts) - 1
        self.coming = [
            {"type": "http.request", "body": part, "more_body": number < last or then == "more"}
            for number, part in enumerate(parts)
        ]
        self.then = then
        self.seen, self.sent = [], []

    async def receive(self):
        if self.coming:
            return self.coming.pop(0)
        if self.then == "hang up":
            return {"type": "http.disconnect"}
        return await asyncio.Event().wait()

    async def send(self, message):
        self.sent.append(message)

    async def application(self, scope, receive, send):
        """Reads like Django: all of it, then it answers."""
        while True:
            message = await receive()
            self.seen.append(message)
            if message["type"] == "http.disconnect":
                return
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def run(self):
        async with asyncio.timeout(5):
            await MeasuredBodies(self.application)(self.scope, self.receive, self.send)
        return self

    @property
    def status(self):
        return self.sent[0]["status"] if self.sent else None

    @property
    def problem(self):
        headers = dict(self.sent[0]["headers"])
        body = b"".join(message.get("body", b"") for message in self.sent[1:])
        assert headers[b"content-type"] == PROBLEM.encode()
        assert headers[b"content-length"] == str(len(body)).encode()
        assert headers[b"connection"] == b"close"
        assert not self.sent[-1].get("more_body")
        told = json.loads(body)
        assert told["status"] == self.status
        return self.status, told["code"]

    @property
    def kept(self):
        """What the application had of it in the end: nothing, if it was told of a hang-up."""
        if not self.seen or self.seen[-1]["type"] == "http.disconnect":
            return None
        return b"".join(message["body"] for message in self.seen)


async def test_a_body_that_is_declared_too_long_is_refused_unread():
    exchange = Exchange(b"x" * 500, then="more", content_length="1001")
    waiting = list(exchange.coming)

    async def receive():
        assert exchange.sent, "read before it was answered"
        return waiting.pop(0) if waiting else await asyncio.Event().wait()

    exchange.receive = receive
    await exchange.run()

    assert exchange.problem == (413, "too_large")
    assert exchange.seen == []


async def test_as_much_as_allowed_is_taken_and_no_byte_more():
    assert (await Exchange(b"x" * 1000, content_length="1000").run()).kept == b"x" * 1000
    assert (await Exchange(b"x" * 1001, content_length="1001").run()).problem[0] == 413


async def test_a_body_in_pieces_is_counted():
    exchange = await Exchange(*[b"x" * 100] * 10).run()
    assert (exchange.status, exchange.kept) == (200, b"x" * 1000)

    exchange = await Exchange(*[b"x" * 100] * 10, b"x", b"never read").run()
    assert exchange.problem == (413, "too_large")
    assert exchange.kept is None
    assert sum(len(message.get("body", b"")) for message in exchange.seen) == 1000


@pytest.mark.parametrize("declared", ["10", "0", "-5000", "1_0", "ten", "", "9" * 5000])
async def test_a_length_that_is_a_lie_or_nonsense_helps_nobody(declared):
    exchange = await Exchange(b"x" * 600, b"x" * 600, content_length=declared).run()
    assert exchange.problem == (413, "too_large")
    assert exchange.kept is None


async def test_every_piece_is_passed_on_as_it_comes():
    """The same messages, each before the next one has come: nothing is held back or copied."""
    exchange = Exchange(b"a", b"b", b"c")
    coming = list(exchange.coming)

    async def receive():
        assert exchange.seen == coming[: len(exchange.seen)]
        assert len(exchange.seen) == len(coming) - len(exchange.coming)
        return exchange.coming.pop(0)

    exchange.receive = receive
    await exchange.run()
    assert all(seen is came for seen, came in zip(exchange.seen, coming, strict=True))


async def test_the_length_of_a_body_in_chunks_is_told_when_it_is_known():
    exchange, told = Exchange(b"abc", b"de", transfer_encoding="chunked"), []

    async def application(scope, receive, send):
        while (await receive())["more_body"]:
            told.append(dict(scope["headers"]).get(b"content-length"))
        told.append(dict(scope["headers"]).get(b"content-length"))

    exchange.application = application
    before = [*exchange.scope["headers"]]
    await exchange.run()
    assert told == [None, b"5"]
    assert exchange.scope["headers"] == before  # the server's own


async def test_after_the_body_a_hang_up_is_passed_on_however_late_it_comes(settings):
    settings.BODY_SECONDS = 0.1
    hang_up, heard = asyncio.Event(), []
    exchange = Exchange(b"x")

    async def receive():
        if exchange.coming:
            return exchange.coming.pop(0)
        await hang_up.wait()
        return {"type": "http.disconnect"}

    async def application(scope, receive, send):
        await receive()
        asyncio.get_running_loop().call_later(0.3, hang_up.set)
        heard.append(await receive())

    exchange.receive, exchange.application = receive, application
    await exchange.run()
    assert heard == [{"type": "http.disconnect"}]
    assert exchange.sent == []


async def test_a_hang_up_in_the_middle_of_a_body_is_passed_on_and_answered_by_nobody():
    exchange = Exchange(b"x", b"", then="hang up")
    exchange.coming[-1]["more_body"] = True
    await exchange.run()
    assert exchange.seen[-1] == {"type": "http.disconnect"}
    assert exchange.sent == []


async def test_a_body_that_stops_coming_is_given_up(settings):
    settings.BODY_SECONDS = 0.2
    exchange = await Exchange(b"x", then="more").run()
    assert exchange.problem == (408, "too_slow")
    assert exchange.kept is None


async def test_a_body_that_drips_is_given_up_all_the_same(settings):
    settings.BODY_SECONDS = 0.3
    exchange = Exchange()

    async def receive():
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    exchange.receive = receive
    began = time.monotonic()
    await exchange.run()
    assert exchange.problem == (408, "too_slow")
    assert time.monotonic() - began < 2
    assert 2 < len(exchange.seen) < 10


async def test_who_is_refused_may_finish_sending_and_nobody_keeps_it():
    exchange = await Exchange(*[b"x" * 600] * 50).run()
    assert exchange.coming == []
    assert len(exchange.seen) == 2  # the first piece, and the hang-up
    assert [bool(message.get("more_body")) for message in exchange.sent[1:]] == [True, False]


async def test_who_never_finishes_is_left_after_a_while():
    exchange = Exchange(b"x" * 2000, then="more")
    began = time.monotonic()
    await exchange.run()
    assert exchange.problem == (413, "too_large")
    assert 0.4 < time.monotonic() - began < 2


# Uploads


@pytest.fixture
def shelf(transactional_db):
    return upload_source(Corpus.objects.create(slug="papers", name="Papers", is_public=True))


@pytest.fixture
def upload_page(shelf):
    return f"/admin/documents/source/{shelf.pk}/upload/"


WHO_MAY = {
    "key": lambda: by_key(may_ingest=True),
    "session": lambda: by_session("change_source"),
}
WHO_MAY_NOT = {
    "nobody": dict,
    "visitor": lambda: {visitors.HEADER.lower(): visitors.new_token()},
    "reading key": lambda: by_key(may_ingest=False),
    "made-up key": lambda: {"authorization": "Api-Key abcdefgh.0123456789"},
    "nonsense": lambda: {"authorization": "x"},
    "made-up session": lambda: {"cookie": "sessionid=0123456789abcdef0123456789abcdef"},
    "session without the permission": lambda: by_session("view_source"),
    "visitor token that is none": lambda: {visitors.HEADER.lower(): "x"},
}


@pytest.mark.parametrize("who", WHO_MAY)
@pytest.mark.parametrize("declares", [True, False])
async def test_who_may_upload_may_send_what_uploads_may_have(shelf, upload_page, who, declares):
    credentials = await sync_to_async(WHO_MAY[who])()
    for path in (DOCUMENTS, upload_page):
        for length, status in ((6000, 200), (6001, 413)):
            headers = {**credentials, **({"content_length": str(length)} if declares else {})}
            parts = b"x" * 3000, b"x" * (length - 3000)
            assert (await Exchange(*parts, path=path, **headers).run()).status == status


@pytest.mark.parametrize("who", WHO_MAY_NOT)
@pytest.mark.parametrize("declares", [True, False])
async def test_who_may_not_upload_may_send_no_more_than_anywhere(shelf, upload_page, who, declares):
    credentials = await sync_to_async(WHO_MAY_NOT[who])()
    for path in (DOCUMENTS, upload_page):
        for length, status in ((1000, 200), (1001, 413)):
            headers = {**credentials, **({"content_length": str(length)} if declares else {})}
            assert (await Exchange(b"x" * length, path=path, **headers).run()).status == status


async def test_other_requests_have_the_usual_limit_whoever_sends_them(shelf, upload_page):
    key = await sync_to_async(by_key)(may_ingest=True)
    for method, path in [
        ("PUT", DOCUMENTS), ("GET", DOCUMENTS), ("POST", f"{DOCUMENTS}1/"), ("POST", "/"),
        ("POST", DOCUMENTS[:-1]), ("POST", f"/{DOCUMENTS}"), ("POST", ""), ("POST", "/nowhere"),
        ("POST", "/api/v1/search/"), ("POST", "/admin/documents/source/"),
    ]:  # fmt: skip
        exchange = await Exchange(b"x" * 1001, path=path, method=method, **key).run()
        assert exchange.problem == (413, "too_large"), (method, path)


async def test_an_upload_has_longer(shelf, settings):
    settings.BODY_SECONDS, settings.UPLOAD_SECONDS = 0.2, 0.6
    key = await sync_to_async(by_key)(may_ingest=True)
    exchange = await Exchange(b"x", path=DOCUMENTS, content_length="4000", then="more", **key).run()
    assert exchange.problem == (408, "too_slow")
    assert b"not complete after 0.6 seconds" in exchange.sent[1]["body"]


async def test_who_uploads_while_the_database_is_away_shall_come_back(shelf, monkeypatch):
    def away(*arguments):
        raise OperationalError("away")

    monkeypatch.setattr(bodies, "user_of", away)
    exchange = await Exchange(path=DOCUMENTS, content_length="4000", then="hang up").run()
    assert exchange.problem == (503, "database_unavailable")
    assert exchange.seen == []
    assert (await Exchange(b"x", path=DOCUMENTS, content_length="1").run()).status == 200
