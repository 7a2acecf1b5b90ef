"""What a reader, a curator and a prober see while PostgreSQL sleeps, restarts or is cut off."""

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import InterfaceError, OperationalError
from django.test import Client

from chat.models import Conversation, Message
from documents import problems
from documents.postgresql import base
from tests.databases import SERVER, end_backends, on_postgresql, reached_at
from tests.standins import FaultProxy, Trouble
from tests.standins.pgbouncer import PgBouncer, is_installed

PASS = Trouble()
ASLEEP = Trouble("reset", after=20)  # as it falls asleep in the middle of a login


# The one place that answers for it


def away(*_arguments, **_named):
    raise OperationalError("connection refused\nDETAIL: a secret")


@pytest.fixture
def cut_off(monkeypatch):
    """Every statement fails; the client does not raise what it met."""
    monkeypatch.setattr("django.db.backends.base.base.BaseDatabaseWrapper.cursor", away)
    return Client(raise_request_exception=False)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/", "/read/site/guide"])
def test_a_page_without_its_database_is_503_and_says_when(cut_off, path, caplog):
    cut_off.cookies["sessionid"] = "of-somebody"
    reply = cut_off.get(path)
    assert (reply.status_code, reply["Retry-After"]) == (503, "2")
    assert "busy or away" in reply.content.decode()
    assert "connection refused" in caplog.text
    assert "a secret" not in caplog.text + reply.content.decode()


@pytest.mark.django_db
def test_the_api_without_its_database_is_a_problem(cut_off):
    body = {"corpus": "lighthouse"}
    reply = cut_off.post("/api/v1/conversations/", body, content_type="application/json")
    assert (reply.status_code, reply["Retry-After"]) == (503, "2")
    assert reply["Content-Type"] == "application/problem+json"
    assert reply.json()["code"] == "database_unavailable"


@pytest.mark.django_db
def test_liveness_asks_no_database(cut_off):
    assert cut_off.get("/api/v1/health/live/").status_code == 200


@pytest.mark.django_db
def test_what_fails_outside_of_a_view_is_503_too(monkeypatch):
    """A session that cannot be saved fails in the middleware."""
    monkeypatch.setattr(SessionMiddleware, "process_response", away)
    reply = Client(raise_request_exception=False).get("/admin/login/")
    assert (reply.status_code, reply["Retry-After"]) == (503, "2")


def test_any_other_surprise_stays_one(rf):
    assert (
        problems.DatabaseAway(lambda _: None).process_exception(rf.get("/"), ValueError()) is None
    )
    closed = problems.DatabaseAway(lambda _: None).process_exception(rf.get("/"), InterfaceError())
    assert closed.status_code == 503


# The real server, through a proxy that fails


@pytest.fixture
def proxy(corpus):
    with FaultProxy(*SERVER) as proxy, reached_at("127.0.0.1", proxy.port):
        yield proxy
        proxy.always = PASS
        proxy.cut_all()


@pytest.fixture
def pooler(corpus):
    with PgBouncer(*SERVER, size=2, wait=1) as pooler, reached_at("127.0.0.1", pooler.port):
        yield pooler


@pytest.fixture
def post(server, settings):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 10_000
    with httpx.Client(base_url=f"{server}/api/v1/", timeout=30, trust_env=False) as client:

        def post(path, headers=None, **body):
            return client.post(path, json=body, headers=headers)

        post.stream = client.stream
        yield post


def conversation(post):
    return post("conversations/", corpus="lighthouse")


def ask(post, talk):
    token = {"X-Visitor-Token": talk["visitor_token"]}
    return post(f"conversations/{talk['id']}/messages/", token, question="What does the lamp do?")


def in_time(reply):
    """Served, or told when to come back; and nobody waited for longer than 8 seconds."""
    if reply.status_code == 503:
        assert reply.json()["code"] == "database_unavailable"
        assert int(reply.headers["Retry-After"]) >= 1
    else:
        assert reply.status_code in (200, 201), reply.text
    assert reply.elapsed.total_seconds() < 8 + (os.getloadavg()[0] > 4)
    return reply


@on_postgresql
def test_a_connection_that_takes_five_seconds_is_waited_for(proxy, post):
    proxy.always = Trouble("hold", delay=5)
    proxy.cut_all()
    assert in_time(conversation(post)).status_code == 201


@on_postgresql
def test_a_server_that_wakes_up_is_waited_for(proxy, post):
    assert conversation(post).status_code == 201
    end_backends()
    proxy.next(ASLEEP, Trouble("refuse"), Trouble("hold", delay=1))
    assert in_time(conversation(post)).status_code == 201


@on_postgresql
def test_a_server_that_does_not_wake_up_is_503(proxy, post, monkeypatch):
    monkeypatch.setattr(base, "PATIENCE", 1.5)
    proxy.always = Trouble("stall")
    proxy.cut_all()
    assert in_time(conversation(post)).status_code == 503


@on_postgresql
@pytest.mark.skipif(not is_installed(), reason="needs pgbouncer")
def test_a_pool_that_is_used_up_is_503_and_nobody_is_lost(pooler, post, monkeypatch):
    monkeypatch.setattr(base, "PATIENCE", 1.0)
    monkeypatch.setattr(Conversation, "save", slow(Conversation.save))
    with ThreadPoolExecutor(12) as threads:
        replies = list(threads.map(lambda _: in_time(conversation(post)), range(12)))
    created = [reply.json()["id"] for reply in replies if reply.status_code == 201]
    assert 0 < len(created) < 12
    assert Conversation.objects.filter(pk__in=created).count() == len(created)


def slow(save):
    def slowly(*arguments, **named):
        from django.db import transaction

        with transaction.atomic():
            save(*arguments, **named)
            time.sleep(0.8)

    return slowly


@on_postgresql
def test_backends_that_end_while_an_answer_streams_cost_it_nothing(corpus, post):
    talk = conversation(post).json()
    headers = {"X-Visitor-Token": talk["visitor_token"], "Accept": "text/event-stream"}
    path, question = f"conversations/{talk['id']}/messages/", {"question": "How does it turn?"}
    with post.stream("POST", path, json=question, headers=headers) as reply:
        lines = reply.iter_lines()
        assert next(lines).startswith("id:")
        end_backends()
        kinds = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert kinds[-1] == "done"
    assert Message.objects.get(role="assistant").status == Message.Status.COMPLETE


# Backends that end at random


@on_postgresql
@pytest.mark.parametrize("way", ["direct", "pooler"])
def test_no_acknowledged_write_is_lost_when_backends_end_at_random(corpus, post, way, request):
    """Thirty times in a few seconds, while four callers write all the time."""
    if way == "pooler":
        if not is_installed():
            pytest.skip("needs pgbouncer")
        request.getfixturevalue("pooler")
    chance, ending = random.Random(20261130), threading.Event()
    talks, answers = [], []

    def write():
        while not ending.is_set():
            begun = in_time(conversation(post))
            if begun.status_code == 201:
                talks.append(begun.json()["id"])
                answer = in_time(ask(post, begun.json()))
                if answer.status_code == 201:
                    answers.append(answer.json()["message_id"])

    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(write) for _ in range(4)]
        ended = 0
        for _ in range(30):
            time.sleep(chance.uniform(0.01, 0.1))
            ended += end_backends(limit=chance.choice((1, 1, 2, None)))
        ending.set()
        for writer in writers:
            writer.result(30)

    assert ended >= 20
    assert answers
    assert Conversation.objects.filter(pk__in=talks).count() == len(talks)
    stored = Message.objects.filter(pk__in=answers, status=Message.Status.COMPLETE)
    assert stored.count() == len(answers)
    assert conversation(post).status_code == 201
