"""Old citations, read again: does what they rest on still stand there?"""

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat.models import Citation, Message
from chat.standing import standings
from documents.models import Chunk, Corpus, Document, Tombstone
from tests.chat.turns import events_of, new_turn
from tests.conftest import PAGES

LAMP = "How often does the lamp turn?"
PAGE = "guide/lamp.md"
URL = "https://docs.example.org/guide/lamp#timing"
TEXT = PAGES[PAGE]


@pytest.fixture
def asked(corpus):
    """The lamp was asked for; a reader who owns that conversation."""
    user = User.objects.create_user("reader")
    turn = async_to_sync(new_turn)(corpus, LAMP)
    turn.conversation.owner = f"user:{user.pk}"
    turn.conversation.save()
    async_to_sync(events_of)(turn)
    client = Client()
    client.force_login(user)
    return client, turn


def read_again(asked) -> dict:
    """The citation of the lamp's timing, as the API shows it today."""
    client, turn = asked
    listed = client.get(f"/api/v1/conversations/{turn.conversation.pk}/messages/").json()
    (citation,) = [c for m in listed["results"] for c in m["citations"] if c["number"] == 1]
    return citation


def publish_again(write_pages, **pages):
    folder = write_pages(pages)
    call_command("ingest", str(folder), corpus="lighthouse", base_url="https://docs.example.org",
                 json=True)  # fmt: skip


def document() -> Document:
    return Document.objects.get(key=PAGE)


def test_what_nobody_touched_is_current(asked):
    citation = read_again(asked)

    assert (citation["standing"], citation["moved_to"], citation["url"]) == ("current", "", URL)
    assert "twelve seconds" in citation["quote"]


def test_a_section_with_another_text_has_changed(asked, write_pages):
    publish_again(write_pages, **{PAGE: TEXT.replace("twelve", "fifteen")})

    citation = read_again(asked)

    assert (citation["standing"], citation["url"]) == ("changed", URL)
    assert "twelve seconds" in citation["quote"]  # as it stood when it was cited


@pytest.mark.parametrize(
    ("pages", "now_at"),
    [
        ({PAGE: TEXT.replace("## Timing", "## Speed")}, "guide/lamp#speed"),
        ({PAGE: None, "guide/light.md": TEXT}, "guide/light#timing"),
        ({PAGE: None, "guide/light.md": TEXT.replace("The lamp\n", "Lights\n")},
         "guide/light#timing"),
    ],
)  # fmt: skip
def test_the_same_text_elsewhere_has_moved_there(asked, write_pages, pages, now_at):
    publish_again(write_pages, **pages)

    citation = read_again(asked)

    assert citation["standing"] == "moved"
    assert citation["moved_to"] == f"https://docs.example.org/{now_at}"


def test_what_moved_inside_of_its_page_is_current(asked, write_pages):
    heading, colours, timing = TEXT.split("## ")
    publish_again(write_pages, **{PAGE: f"{heading}## {timing}\n## {colours}"})

    assert read_again(asked)["standing"] == "current"


@pytest.mark.parametrize("left", [TEXT.split("## Timing")[0], None])
def test_a_section_or_page_that_its_publisher_took_out_is_gone_and_stays_readable(
    asked, write_pages, left
):
    publish_again(write_pages, **{PAGE: left})

    citation = read_again(asked)

    assert citation["standing"] == "gone"
    assert "twelve seconds" in citation["quote"] and citation["title"] == "The lamp"


def test_what_a_curator_withdrew_is_shown_to_nobody_until_it_is_back(asked):
    Document.objects.filter(key=PAGE).set_status(Document.Status.WITHDRAWN)
    hidden = read_again(asked)
    Document.objects.filter(key=PAGE).set_status(Document.Status.PUBLISHED)
    shown = read_again(asked)

    assert (hidden["standing"], hidden["number"]) == ("gone", 1)
    assert {hidden[name] for name in ("title", "url", "link", "quote")} == {""}
    assert hidden["heading_path"] == []
    assert (shown["standing"], shown["url"]) == ("current", URL)


def test_a_chunk_that_was_switched_off_is_not_shown_either(asked):
    Chunk.objects.filter(anchor="timing").update(enabled=False)

    citation = read_again(asked)

    assert (citation["standing"], citation["quote"]) == ("gone", "")


def test_an_older_version_of_a_withdrawn_page_is_not_shown_either(asked, write_pages):
    publish_again(write_pages, **{PAGE: TEXT.split("## Timing")[0]})
    Document.objects.filter(key=PAGE).set_status(Document.Status.WITHDRAWN)

    citation = read_again(asked)

    assert (citation["standing"], citation["quote"]) == ("gone", "")


def test_of_what_is_deleted_for_good_no_citation_keeps_a_copy(asked):
    call_command("forget", "site", PAGE)

    kept = Citation.objects.get(number=1)
    assert (kept.title, kept.heading_path, kept.link, kept.quote) == ("", [], "", "")
    assert read_again(asked)["standing"] == "gone"
    assert Message.objects.get(role="assistant").text  # the reader's own


def test_an_older_version_of_what_is_deleted_for_good_goes_with_it(asked, write_pages):
    publish_again(write_pages, **{PAGE: TEXT.replace("twelve", "fifteen")})

    call_command("forget", "site", PAGE)

    assert Citation.objects.get(number=1).quote == ""


def test_what_was_cited_at_another_address_goes_too(asked, site):
    call_command("ingest", str(site), corpus="lighthouse", base_url="https://new.example.org",
                 json=True)  # fmt: skip
    assert document().url.startswith("https://new.example.org")

    call_command("forget", "site", PAGE)

    assert Citation.objects.get(number=1).quote == ""


def test_citations_of_other_pages_are_left_alone(asked):
    call_command("forget", "site", "guide/install.md")

    assert "twelve seconds" in read_again(asked)["quote"]


def test_what_comes_back_after_it_was_deleted_is_current_and_its_copy_stays_away(
    asked, write_pages
):
    call_command("forget", "site", PAGE)
    Tombstone.objects.all().delete()
    publish_again(write_pages)

    citation = read_again(asked)

    assert (citation["standing"], citation["quote"]) == ("current", "")


def test_the_same_text_in_another_corpus_is_not_told_of(asked, write_pages, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lamp.md").write_text(TEXT)
    call_command("ingest", str(elsewhere), corpus="private", json=True)
    publish_again(write_pages, **{PAGE: None})

    citation = read_again(asked)

    assert (citation["standing"], citation["moved_to"]) == ("gone", "")


def test_all_citations_of_a_page_of_messages_take_one_query(asked):
    _client, turn = asked
    for _ in range(3):
        async_to_sync(events_of)(async_to_sync(new_turn)(turn.conversation.corpus, LAMP))
    cited = list(Citation.objects.all())

    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = standings(cited, Corpus.objects.get().pk)

    assert len(cited) >= 4 and {standing.state for standing in found.values()} == {"current"}
    assert len(queries) == 2  # and the one for the corpus


def test_the_admin_says_what_became_of_a_source(asked, write_pages, admin_client):
    publish_again(write_pages, **{PAGE: TEXT.replace("twelve", "fifteen")})
    _client, turn = asked

    for place in (f"message/{turn.message_id}", f"conversation/{turn.conversation.pk}"):
        shown = admin_client.get(f"/admin/chat/{place}/change/").content.decode()
        assert "the section has changed since" in shown
