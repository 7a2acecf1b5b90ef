"""The JavaScript client in Node: by itself, and against the running server."""

import os
import re
import subprocess
from dataclasses import fields
from typing import get_args

from chat import events
from chat.models import ApiKey, Message
from tests.chat.auth.keys import PAGE, publishable
from tests.clients.models import says, slowly
from tests.node import NODE
from tests.processes import ROOT
from tests.standins.proxy import Trouble

FOLDER = ROOT / "clients" / "javascript"
LONG = "The lamp turns once in twelve seconds, as it has done for years [{marker:1}]."
WORD = r"[a-z_]+"


def run(*arguments: str, **variables: str) -> None:
    done = subprocess.run(
        [NODE, "--test", "--test-reporter=tap", *arguments],
        cwd=FOLDER, capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"^# pass [1-9]", done.stdout, re.MULTILINE), done.stdout


def scenario(name: str, url: str, **more: str) -> None:
    run(f"--test-name-pattern=^{name}$", "tests/server.test.js", RAGSITE_URL=url, **more)


def test_streams_and_sockets_are_read_as_they_come():
    run("tests/parsing.test.js", "tests/requests.test.js", "tests/socket.test.js")


def test_its_types_of_events_are_those_of_the_server():
    script = (FOLDER / "src" / "ragsite.js").read_text()
    types = (FOLDER / "src" / "ragsite.d.ts").read_text()
    ours = {kind.type: {field.name for field in fields(kind)} for kind in get_args(events.Event)}
    bodies = {
        name: (base, set(re.findall(rf"({WORD}):", body)))
        for name, base, body in re.findall(
            r"export interface (\w+)(?: extends (\w+))? \{(.*?)\}", types, re.DOTALL
        )
    }

    known = re.search(r"KINDS = \[(.*?)\]", script)[1]
    assert set(re.findall(WORD, known)) == ours.keys()
    told = {}
    for name, (base, names) in bodies.items():
        body = re.search(rf"interface {name}\b.*?\{{ ?type: \"({WORD})\"", types.replace("\n ", ""))
        if "type" in names and body:
            told[body[1]] = (names | (bodies[base][1] if base else set())) - {"type"}
    assert told == ours


def test_the_client_is_small_and_leaves_the_page_as_strict_as_it_is():
    script = (FOLDER / "src" / "ragsite.js").read_text()

    assert len(script.encode()) < 21_000
    assert not re.search(
        r"\beval\(|new Function|innerHTML|document\.|^import ", script, re.MULTILINE
    )


def test_it_does_its_main_job(corpus, server):
    scenario("(ask|search|stream)", server)


def test_it_shows_its_credential_and_makes_a_refused_one_anew(corpus, server):
    key, secret = ApiKey.objects.create_key(name="shop")
    key.corpora.add(corpus)

    scenario("credentials", server, RAGSITE_KEY=secret)


def test_a_publishable_key_makes_tokens_and_renews_them_for_the_same_visitor(
    corpus, server, settings
):
    settings.VISITOR_TOKEN_MINUTES = 0.5  # over so soon that each request has its own
    _, secret = publishable(corpus)

    scenario("publishable", server, RAGSITE_KEY=secret, RAGSITE_ORIGIN=PAGE)


def test_a_visitor_of_a_socket_is_the_same_on_the_next_one(corpus, server, monkeypatch):
    says(monkeypatch, slowly(LONG))

    scenario("visitor", server)


def test_a_socket_outlives_its_token(corpus, server, settings, monkeypatch):
    monkeypatch.setattr("chat.sockets.LOOK", 0.2)
    settings.VISITOR_TOKEN_MINUTES = 0.05
    _, secret = publishable(corpus)

    scenario("renewed", server, RAGSITE_KEY=secret, RAGSITE_ORIGIN=PAGE)


def test_an_answer_that_is_being_written_is_resumed_and_cancelled(corpus, server, monkeypatch):
    says(monkeypatch, slowly(LONG))

    scenario("(resume|cancel)", server)


def test_a_stream_that_is_cut_again_and_again_tells_each_event_once(corpus, network, monkeypatch):
    says(monkeypatch, slowly(LONG))
    # The first connection also carries the new conversation.
    network.next(*[Trouble("reset", after=size) for size in (4600, 1300, 1, 1250, 1240)])

    scenario("stream", network.url)

    assert network.accepted >= 6
    assert Message.objects.filter(role="assistant").count() == 1


def test_a_server_that_stays_away_is_an_error_in_the_end(corpus, network):
    network.always = Trouble("refuse")

    scenario("away", network.url)

    assert network.accepted == 2
