"""`GET /api/v1/messages/{id}/citations/` and `manage.py ask --citations`."""

import io
import json
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from pybtex.database import parse_string

from documents.models import Corpus, Document
from tests.chat.turns import events_of, new_turn

LAMP = "How often does the lamp turn?"
PAGE = "guide/lamp.md"
URL = "https://docs.example.org/guide/lamp#timing"


@pytest.fixture
def reader(corpus):
    """A signed-in reader, and the address of the citations of an answer to them."""
    Document.objects.filter(key=PAGE).update(authors=["Ada Lovelace"], year=2024)
    Corpus.objects.update(name="Lighthouse docs")
    user = User.objects.create_user("reader")
    turn = async_to_sync(new_turn)(corpus, LAMP)
    turn.conversation.owner = f"user:{user.pk}"
    turn.conversation.save()
    async_to_sync(events_of)(turn)
    client = Client()
    client.force_login(user)
    return client, f"/api/v1/messages/{turn.message_id}/citations/"


def in_style(reader, style: str):
    client, address = reader
    return client.get(address, {"style": style})


def test_as_text_in_two_styles(reader):
    shown = in_style(reader, "apa")

    assert shown["Content-Type"] == "text/plain; charset=utf-8"
    assert f"Lovelace, A. (2024). The lamp. Lighthouse docs. {URL}\n" in shown.content.decode()
    assert "[1] A. Lovelace, “The lamp,” Lighthouse docs, 2024. Accessed: " in (
        in_style(reader, "ieee").content.decode()
    )


def test_as_data_in_two_formats(reader):
    bibtex, csl = in_style(reader, "bibtex"), in_style(reader, "csl-json")

    entries = parse_string(bibtex.content.decode(), "bibtex").entries
    items = {item["id"]: item for item in csl.json()}
    assert entries.keys() == items.keys()
    assert URL in {entry.fields["url"] for entry in entries.values()}
    assert csl["Content-Type"].startswith("application/vnd.citationstyles.csl+json")
    (lamp,) = [item for item in items.values() if item["URL"] == URL]
    assert lamp["author"] == [{"family": "Lovelace", "given": "Ada"}]


def test_without_a_style_they_come_as_they_are_stored(reader):
    client, address = reader
    listed = client.get(address, headers={"Accept": "text/html"}).json()
    assert (listed[0]["number"], listed[0]["url"], listed[0]["standing"]) == (1, URL, "current")


def test_an_unknown_style_is_refused_with_the_names_of_all(reader):
    reply = in_style(reader, "mla")
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid")
    assert "apa, bibtex, csl-json, ieee" in str(reply.json()["errors"]["style"])


@pytest.mark.parametrize("asked", [{"style": "apa"}, {}])
def test_those_of_somebody_else_look_like_missing_ones(reader, asked):
    _client, address = reader
    stranger = Client()
    stranger.force_login(User.objects.create_user("stranger"))

    foreign = stranger.get(address, asked)
    missing = stranger.get(f"/api/v1/messages/{uuid4()}/citations/", asked)

    assert foreign.status_code == missing.status_code == 404
    assert {**foreign.json(), "request_id": ""} == {**missing.json(), "request_id": ""}


@pytest.mark.parametrize("take_away", ["withdraw", "forget"])
def test_what_may_not_be_read_any_more_is_not_in_the_list(reader, take_away):
    if take_away == "withdraw":
        Document.objects.all().set_status(Document.Status.WITHDRAWN)
    else:
        call_command("forget", "site", *Document.objects.values_list("key", flat=True))

    assert in_style(reader, "apa").content == b""
    assert in_style(reader, "csl-json").json() == []


def test_of_a_page_that_is_gone_the_title_and_address_are_left(reader, write_pages):
    folder = write_pages({PAGE: None})
    call_command("ingest", str(folder), corpus="lighthouse", base_url="https://docs.example.org",
                 json=True)  # fmt: skip

    shown = in_style(reader, "apa").content.decode()

    assert shown.startswith("The lamp. (n.d.). Retrieved ") and f"from {URL}\n" in shown


def test_a_page_of_this_server_gets_its_whole_address(transactional_db, site):
    call_command("ingest", str(site), corpus="lighthouse", public=True, json=True)
    user = User.objects.create_user("reader")
    turn = async_to_sync(new_turn)(Corpus.objects.get(), LAMP)
    turn.conversation.owner = f"user:{user.pk}"
    turn.conversation.save()
    async_to_sync(events_of)(turn)
    client = Client()
    client.force_login(user)

    shown = client.get(f"/api/v1/messages/{turn.message_id}/citations/?style=ieee").content.decode()

    assert "Available: http://testserver/read/site/guide/lamp#timing" in shown


def test_the_terminal_shows_them_after_the_answer(corpus):
    out = io.StringIO()

    call_command("ask", LAMP, "--citations", "csl-json", stdout=out)

    items = json.loads(out.getvalue().rpartition("\n[\n")[2].join(["[", ""]))
    assert URL in {item["URL"] for item in items}


def test_the_terminal_names_the_styles(corpus):
    with pytest.raises(CommandError, match=r"apa.*bibtex.*csl-json.*ieee"):
        call_command("ask", LAMP, "--citations", "mla")
