"""Both clients with what the server keeps: requests that were lost, feedback, exports."""

import pytest

from chat.models import Conversation, Message
from ragsite_client import Client
from tests.clients.models import says, slowly
from tests.clients.test_javascript import scenario
from tests.clients.test_python import LAMP, LONG
from tests.standins.proxy import Trouble


@pytest.fixture
def client(corpus, network):
    with Client(network.url) as client:
        client.conversation = client.conversations.create("lighthouse")["id"]
        network.cut_all()  # what follows is not on a connection that was kept
        yield client


def test_a_question_whose_answer_was_lost_is_asked_once(client, network):
    network.next(Trouble("swallow"))

    done = client.ask(LAMP, conversation=client.conversation)

    assert network.accepted >= 3
    assert "twelve seconds" in done.text
    assert Message.objects.filter(role="assistant").count() == 1


def test_a_stream_that_is_lost_before_its_first_event_is_of_one_answer(
    client, network, monkeypatch
):
    says(monkeypatch, slowly(LONG))
    network.next(Trouble("swallow"), Trouble("reset", after=300))

    answer = client.stream(LAMP, conversation=client.conversation).finish()

    assert answer.done.text == answer.text == LONG.replace("{marker:1}", "1")
    assert Message.objects.filter(role="assistant").count() == 1


def test_a_conversation_that_was_made_by_a_lost_request_is_not_made_again(client, network):
    network.next(Trouble("swallow"))

    made = client.conversations.create("lighthouse")

    assert {str(pk) for pk in Conversation.objects.values_list("pk", flat=True)} == {
        client.conversation, made["id"],
    }  # fmt: skip


def test_feedback_is_given_and_taken_along(client):
    done = client.ask(LAMP, conversation=client.conversation)

    given = client.feedback(done.message_id, "down", "Too short.")
    again = client.feedback(done.message_id, "up")
    kept = client.conversations.export(client.conversation)
    text = client.conversations.export(client.conversation, "markdown")

    assert given == {"rating": "down", "comment": "Too short."}
    assert kept["messages"][-1]["feedback"] == again == {"rating": "up", "comment": ""}
    assert "twelve seconds" in text
    assert client.conversations.delete(client.conversation)["messages"] == 2


def test_the_javascript_client_gives_feedback_and_takes_conversations_along(corpus, server):
    scenario("feedback", server)


def test_the_javascript_client_asks_once_when_the_answer_was_lost(corpus, network):
    # The first connection carries the new conversation and the question: its answer is cut off.
    network.next(Trouble("truncate", after=900))

    scenario("lost", network.url)

    assert Message.objects.filter(role="assistant").count() == 1
