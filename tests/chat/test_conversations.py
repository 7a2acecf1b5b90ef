"""Conversations of one's own: found, taken along, branched, answered anew, judged, deleted."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.test import Client

from chat.models import Conversation, Feedback, Message
from documents.models import Corpus, Document

JSON = "application/json"
LAMP, COLOUR = "How often does the lamp turn?", "Which colours does the lamp show?"
pytestmark = pytest.mark.usefixtures("corpus")


class Reader:
    """Somebody who is signed in, and asks over HTTP."""

    def __init__(self, name: str) -> None:
        self.client = Client()
        self.client.force_login(User.objects.create_user(name))

    def __call__(self, method: str, address: str, body: Any = None, **headers: str) -> Any:
        options = {} if body is None else {"data": body, "content_type": JSON}
        call = getattr(self.client, method)
        return call(f"/api/v1/{address}", headers=headers, **options)

    def conversation(self, *questions: str) -> str:
        started = self("post", "conversations/", {"corpus": "lighthouse"}).json()
        for question in questions:
            self.ask(started["id"], question)
        return started["id"]

    def ask(self, conversation: str, question: str, **headers: str) -> Any:
        reply = self(
            "post", f"conversations/{conversation}/messages/", {"question": question}, **headers
        )
        assert reply.status_code == 201, reply.content
        return reply.json()

    def said(self, conversation: str) -> list[dict[str, Any]]:
        return self("get", f"conversations/{conversation}/messages/").json()["results"]

    def found(self, **query: str) -> list[str]:
        reply = self.client.get("/api/v1/conversations/", query)
        assert reply.status_code == 200, reply.content
        return [one["id"] for one in reply.json()["results"]]


@pytest.fixture
def ana() -> Reader:
    return Reader("ana")


@pytest.fixture
def ben() -> Reader:
    return Reader("ben")


def same(foreign: Any, missing: Any) -> bool:
    told = [{**reply.json(), "request_id": ""} for reply in (foreign, missing)]
    return foreign.status_code == missing.status_code == 404 and told[0] == told[1]


# Search


def test_a_conversation_is_found_by_its_title_and_by_what_was_said(ana):
    lamp, backup = ana.conversation(LAMP), ana.conversation("How is a backup restored?")
    ana("patch", f"conversations/{backup}/", {"title": "Disks"})

    assert ana.found(q="DISKS") == [backup]
    assert ana.found(q="twelve seconds") == [lamp]  # in the answer alone
    assert ana.found(q="100%") == ana.found(q="_") == []
    assert ana.found(corpus="lighthouse") == [backup, lamp]
    assert ana.found(corpus="other") == []


def test_a_search_finds_nothing_of_somebody_else(ana, ben):
    ana.conversation(LAMP)

    assert ben.found(q="lamp") == []
    assert ben.found() == []


@pytest.mark.parametrize("query", [{"q": "x" * 201}, {"q": ""}, {"query": "lamp"}, {"q": "\0"}])
def test_a_search_that_makes_no_sense_is_refused(ana, query):
    reply = ana.client.get("/api/v1/conversations/", query)

    assert (reply.status_code, reply.json()["code"]) == (400, "invalid")


# Deletion


def test_a_deletion_counts_what_is_gone(ana):
    conversation = ana.conversation(LAMP)
    answer = ana.said(conversation)[1]
    ana("put", f"messages/{answer['id']}/feedback/", {"rating": "up"})

    reply = ana("delete", f"conversations/{conversation}/")

    assert reply.status_code == 200
    assert reply.json() == {
        "messages": 2, "citations": len(answer["citations"]), "claims": len(answer["claims"]),
        "feedback": 1,
    }  # fmt: skip
    assert not Conversation.objects.exists() and not Message.objects.exists()
    assert ana("delete", f"conversations/{conversation}/").status_code == 404


# Export


def test_an_export_holds_everything(ana):
    conversation = ana.conversation(LAMP, COLOUR)

    reply = ana("get", f"conversations/{conversation}/export/?format=json")

    assert reply["Content-Disposition"].endswith('.json"')
    assert reply["Cache-Control"] == "private, no-store"
    assert reply.json()["messages"] == ana.said(conversation)


def test_an_export_as_markdown_has_footnotes(ana):
    conversation = ana.conversation(LAMP)

    reply = ana("get", f"conversations/{conversation}/export/", Accept="text/markdown")

    assert reply["Content-Type"] == "text/markdown; charset=utf-8"
    text = reply.content.decode()
    assert "> How often does the lamp turn\\?" in text
    assert "[^2-1]: " in text and "<https://docs.example.org/guide/lamp#timing>" in text
    assert "[^2-1]" in text.split("[^2-1]: ")[0]


def test_an_export_of_somebody_else_looks_like_a_missing_one(ana, ben):
    theirs = ana.conversation(LAMP)

    assert same(
        ben("get", f"conversations/{theirs}/export/"),
        ben("get", f"conversations/{uuid4()}/export/"),
    )


def test_an_export_shows_nothing_that_was_withdrawn(ana):
    conversation = ana.conversation(LAMP)
    Document.objects.all().set_status(Document.Status.WITHDRAWN)

    text = ana("get", f"conversations/{conversation}/export/?format=markdown").content.decode()

    assert "docs.example.org" not in text


def test_an_unknown_format_is_refused_with_the_names_of_those_there_are(ana):
    reply = ana("get", f"conversations/{ana.conversation()}/export/?format=pdf")

    assert reply.status_code == 400
    assert "json, markdown" in str(reply.json()["errors"]["format"])


# Branches


def test_a_branch_holds_the_turns_before_a_question(ana):
    conversation = ana.conversation(LAMP, COLOUR)
    before = ana.said(conversation)

    reply = ana("post", f"conversations/{conversation}/branch/", {"message": before[2]["id"]})
    branch = reply.json()
    ana.ask(branch["id"], "How is a backup restored?")

    after = ana.said(branch["id"])
    assert (reply.status_code, branch["branched_from"]) == (201, conversation)
    assert [m["text"] for m in after[:3]] == [LAMP, before[1]["text"], "How is a backup restored?"]
    assert after[1]["citations"] == before[1]["citations"]
    assert after[1]["question"] == after[0]["id"] != before[0]["id"]
    assert ana.said(conversation) == before


def test_a_branch_outlives_what_it_came_from(ana):
    conversation = ana.conversation(LAMP, COLOUR)
    asked = ana.said(conversation)[2]["id"]
    branch = ana("post", f"conversations/{conversation}/branch/", {"message": asked}).json()

    ana("delete", f"conversations/{conversation}/")

    kept = ana("get", f"conversations/{branch['id']}/").json()
    assert kept["branched_from"] is None
    assert len(ana.said(branch["id"])) == 2


def test_a_branch_is_only_made_of_ones_own(ana, ben):
    theirs, mine = ana.conversation(LAMP), ben.conversation(LAMP)
    question, answer = (message["id"] for message in ana.said(theirs))
    missing = ben("post", f"conversations/{mine}/branch/", {"message": str(uuid4())})

    for address, message in ((theirs, question), (mine, question), (mine, answer)):
        assert same(ben("post", f"conversations/{address}/branch/", {"message": message}), missing)
    assert Conversation.objects.filter(branched_from=None).count() == Conversation.objects.count()


# Answered anew


def test_a_new_answer_takes_the_place_of_the_old_one(ana):
    conversation = ana.conversation(LAMP)
    question, old = ana.said(conversation)

    reply = ana("post", f"messages/{old['id']}/regenerate/", {})

    said = ana.said(conversation)
    assert reply.status_code == 201 and reply.json()["message_id"] == said[2]["id"]
    assert [m["superseded"] for m in said] == [False, True, False]
    assert {said[1]["question"], said[2]["question"]} == {question["id"]}


def test_what_is_asked_next_does_not_know_of_the_old_answer(ana, monkeypatch):
    conversation = ana.conversation(LAMP)
    old = ana.said(conversation)[1]
    Message.objects.filter(pk=old["id"]).update(text="The lamp is a lie.")
    ana("post", f"messages/{old['id']}/regenerate/", {})
    heard: list[Any] = []
    monkeypatch.setattr("chat.pipeline.rewrite", spy(heard))

    ana.ask(conversation, "Why?")

    assert heard[0][0].content == LAMP
    assert len(heard[0]) == 2 and "lie" not in heard[0][1].content


def spy(heard: list[Any]) -> Any:
    from chat.rewriting import rewrite

    async def listening(question: str, history: Any, *arguments: Any, **options: Any) -> Any:
        heard.append(list(history))
        return await rewrite(question, history, *arguments, **options)

    return listening


def test_a_question_is_answered_anew_without_itself_in_its_history(ana, monkeypatch):
    conversation = ana.conversation(COLOUR, LAMP)
    heard: list[Any] = []
    monkeypatch.setattr("chat.pipeline.rewrite", spy(heard))

    ana("post", f"messages/{ana.said(conversation)[3]['id']}/regenerate/", {})

    assert [m.content for m in heard[0] if m.role == "user"] == [COLOUR]


def test_an_attempt_that_fails_leaves_the_old_answer_where_it_is(ana, monkeypatch):
    conversation = ana.conversation(LAMP)
    old = ana.said(conversation)[1]

    async def fail(*arguments: Any, **options: Any) -> Any:
        raise RuntimeError("no search today")

    monkeypatch.setattr("chat.retrieval.Retriever.search", fail)
    reply = ana("post", f"messages/{old['id']}/regenerate/", {})

    assert reply.status_code == 500
    assert [m["superseded"] for m in ana.said(conversation)] == [False, False, True]


def test_only_the_last_question_is_answered_anew(ana):
    conversation = ana.conversation(LAMP, COLOUR)
    first = ana.said(conversation)[1]["id"]

    reply = ana("post", f"messages/{first}/regenerate/", {})

    assert (reply.status_code, reply.json()["code"]) == (409, "not_the_last")


def test_while_an_answer_is_written_there_is_no_second_one(ana):
    conversation = ana.conversation(LAMP)
    old = ana.said(conversation)[1]["id"]
    Message.objects.filter(pk=old).update(status=Message.Status.STREAMING)

    reply = ana("post", f"messages/{old}/regenerate/", {})

    assert (reply.status_code, reply.json()["code"]) == (409, "still_answering")


def test_an_answer_of_an_older_version_can_be_replaced(ana):
    conversation = ana.conversation(LAMP)
    old = ana.said(conversation)[1]["id"]
    Message.objects.update(question=None)

    assert ana("post", f"messages/{old}/regenerate/", {}).status_code == 201
    assert [m["superseded"] for m in ana.said(conversation)] == [False, True, False]


def test_the_answer_of_somebody_else_looks_like_a_missing_one(ana, ben):
    answer = ana.said(ana.conversation(LAMP))[1]["id"]
    before = Message.objects.count()

    assert same(
        ben("post", f"messages/{answer}/regenerate/", {}),
        ben("post", f"messages/{uuid4()}/regenerate/", {}),
    )
    assert Message.objects.count() == before


def test_of_several_answers_one_stands(ana):
    ana.conversation(LAMP)
    answer = Message.objects.get(role=Message.Role.ASSISTANT)

    with pytest.raises(IntegrityError):
        Message.objects.create(
            conversation=answer.conversation, role=answer.role, question=answer.question
        )


# Feedback


def test_feedback_is_given_changed_and_taken_back(ana):
    conversation = ana.conversation(LAMP)
    address = f"messages/{ana.said(conversation)[1]['id']}/feedback/"

    assert ana("get", address).status_code == 404
    given = ana("post", address, {"rating": "down", "comment": "Too short."})
    assert given.json() == {"rating": "down", "comment": "Too short."}
    assert ana("put", address, {"rating": "up"}).json() == {"rating": "up", "comment": ""}
    assert ana.said(conversation)[1]["feedback"] == ana("get", address).json()
    assert ana("delete", address).status_code == 204
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("method", ["get", "put", "post", "delete"])
def test_feedback_on_the_answer_of_somebody_else_looks_like_that_on_a_missing_one(ana, ben, method):
    answer = ana.said(ana.conversation(LAMP))[1]["id"]
    ana("put", f"messages/{answer}/feedback/", {"rating": "up"})
    body = {"rating": "down"} if method in ("put", "post") else None

    assert same(
        ben(method, f"messages/{answer}/feedback/", body),
        ben(method, f"messages/{uuid4()}/feedback/", body),
    )
    assert Feedback.objects.get().rating == Feedback.Rating.UP


@pytest.mark.parametrize(
    "body",
    [{"rating": 1}, {"rating": "good"}, {}, {"rating": "up", "comment": "x" * 2001},
     {"rating": "up", "stars": 5}, {"rating": "up", "comment": 5}],
)  # fmt: skip
def test_feedback_that_makes_no_sense_is_refused(ana, body):
    answer = ana.said(ana.conversation(LAMP))[1]["id"]

    reply = ana("put", f"messages/{answer}/feedback/", body)

    assert (reply.status_code, reply.json()["code"]) == (400, "invalid")


def test_a_question_cannot_be_judged(ana):
    question = ana.said(ana.conversation(LAMP))[0]["id"]

    assert ana("put", f"messages/{question}/feedback/", {"rating": "up"}).status_code == 404


# As it was seen


def test_a_title_is_not_written_over_one_that_was_not_seen(ana):
    address = f"conversations/{ana.conversation()}/"
    seen = ana("get", address)["ETag"]

    first = ana("patch", address, {"title": "A"}, **{"If-Match": seen})
    second = ana("patch", address, {"title": "B"}, **{"If-Match": seen})
    third = ana("patch", address, {"title": "C"}, **{"If-Match": first["ETag"]})

    assert [first.status_code, second.status_code, third.status_code] == [200, 412, 200]
    assert second.json()["code"] == "precondition_failed"


@pytest.mark.parametrize("tag", ['"other"', "nonsense", 'W/"weak"'])
def test_nothing_is_deleted_that_was_not_seen(ana, tag):
    address = f"conversations/{ana.conversation()}/"

    assert ana("delete", address, **{"If-Match": tag}).status_code == 412
    assert Conversation.objects.exists()


def test_what_has_not_changed_is_not_sent_again(ana):
    address = f"conversations/{ana.conversation()}/"
    seen = ana("get", address)["ETag"]

    again = ana("get", address, **{"If-None-Match": seen})
    ana("patch", address, {"title": "New"})
    changed = ana("get", address, **{"If-None-Match": seen})

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", seen)
    assert (changed.status_code, changed.json()["title"]) == (200, "New")


def test_a_corpus_that_became_private_hides_everything_said_about_it(ana):
    conversation = ana.conversation(LAMP)
    answer = ana.said(conversation)[1]["id"]
    Corpus.objects.update(is_public=False)

    assert ana.found(q="lamp") == []
    for address in (f"conversations/{conversation}/export/", f"messages/{answer}/feedback/"):
        assert ana("get", address).status_code == 404
