"""`Idempotency-Key`: a request that is sent twice is done once, whoever asks and whatever for."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError
from django.test import Client

from chat.models import ApiKey, Conversation, Message
from documents.kept_requests import KEPT, LONGEST, KeptRequest, KeptRequestQuerySet
from documents.models import Corpus, Upload
from ingestion.models import IngestionRun

JSON = "application/json"
LAMP = "How often does the lamp turn?"
pytestmark = pytest.mark.usefixtures("corpus", "without_redis")


class Caller:
    def __init__(self, name: str) -> None:
        self.client = Client()
        self.client.force_login(User.objects.create_user(name))

    def start(self, key: str = "", corpus: str = "lighthouse", **headers: str) -> Any:
        headers |= {"Idempotency-Key": key} if key else {}
        return self.client.post(
            "/api/v1/conversations/", {"corpus": corpus}, content_type=JSON, headers=headers
        )

    def ask(self, address: str, question: str = LAMP, key: str = "a", **headers: str) -> Any:
        return self.post(address, {"question": question}, key, **headers)

    def post(self, address: str, body: dict[str, Any], key: str = "a", **headers: str) -> Any:
        return self.client.post(
            f"/api/v1/{address}", body, content_type=JSON,
            headers={"Idempotency-Key": key, **headers},
        )  # fmt: skip


@pytest.fixture
def ana() -> Caller:
    return Caller("ana")


@pytest.fixture
def messages(ana) -> str:
    return f"conversations/{ana.start().json()['id']}/messages/"


def code(reply: Any) -> tuple[int, str]:
    return reply.status_code, reply.json()["code"]


def grow_old(age: timedelta) -> None:
    for kept in KeptRequest.objects.all():
        KeptRequest.objects.filter(pk=kept.pk).update(created_at=kept.created_at - age)


def test_the_same_request_again_is_answered_as_before(ana):
    first, second = ana.start("a"), ana.start("a")

    assert (second.status_code, second.json()) == (201, first.json())
    assert second["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert Conversation.objects.count() == 1


def test_without_a_key_it_is_done_twice(ana):
    assert ana.start().json()["id"] != ana.start().json()["id"]
    assert not KeptRequest.objects.exists()


def test_a_key_in_quotes_is_the_same_key(ana):
    assert ana.start('"a"').json() == ana.start("a").json()


def test_the_key_with_another_request_is_refused(ana):
    Corpus.objects.create(slug="other", name="Other", is_public=True)
    ana.start("a")

    assert code(ana.start("a", corpus="other")) == (422, "idempotency_key_reused")


def test_white_space_in_json_makes_no_other_request(ana):
    first = ana.start("a")
    again = ana.client.post(
        "/api/v1/conversations/", '{ "corpus" :\n"lighthouse" }', content_type=JSON,
        headers={"Idempotency-Key": "a"},
    )  # fmt: skip

    assert again.json() == first.json()


def test_somebody_elses_key_is_another_one(ana):
    ben = Caller("ben")

    assert ana.start("a").json()["id"] != ben.start("a").json()["id"]


def test_a_key_counts_for_one_address(ana, messages):
    other = f"conversations/{ana.start().json()['id']}/messages/"

    assert ana.ask(messages).json()["message_id"] != ana.ask(other).json()["message_id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é", "{}"])
def test_a_key_that_is_none_is_refused(ana, key):
    reply = ana.start(**{"Idempotency-Key": key})

    assert code(reply) == (400, "invalid")
    assert "Idempotency-Key" in reply.json()["errors"]


def test_what_was_refused_may_be_sent_again(ana):
    assert ana.start("a", corpus="missing").status_code == 404
    Corpus.objects.create(slug="missing", name="Found", is_public=True)

    assert ana.start("a", corpus="missing").status_code == 201


def test_a_request_that_is_at_work_makes_the_second_one_wait(ana):
    ana.start("a")
    KeptRequest.objects.update(status=None)

    reply = ana.start("a")

    assert code(reply) == (409, "idempotency_in_progress")
    assert int(reply["Retry-After"]) >= 1


def test_a_request_whose_process_died_does_not_block_its_key(ana):
    ana.start("a")
    KeptRequest.objects.update(status=None)
    grow_old(LONGEST + timedelta(seconds=1))

    assert ana.start("a").status_code == 201
    assert Conversation.objects.count() == 2


def test_a_key_is_forgotten_after_a_day(ana):
    ana.start("a")
    grow_old(KEPT + timedelta(seconds=1))

    assert ana.start("b").status_code == 201
    assert KeptRequest.objects.count() == 1
    grow_old(KEPT + timedelta(seconds=1))
    assert "Idempotency-Replayed" not in ana.start("b")


def test_the_database_lets_one_of_two_requests_have_a_key():
    KeptRequest.objects.create(digest="d", fingerprint="f")

    with pytest.raises(IntegrityError):
        KeptRequest.objects.create(digest="d", fingerprint="f")


def test_a_key_that_is_given_back_and_taken_again_meanwhile_breaks_nothing(monkeypatch):
    create, lost = KeptRequestQuerySet.create, ["to one", "to another"]

    def racing(self, **fields):
        if lost:
            raise IntegrityError(lost.pop())
        return create(self, **fields)

    monkeypatch.setattr(KeptRequestQuerySet, "create", racing)

    kept, is_new = KeptRequest.objects.claim("d", "f")

    assert (kept.digest, is_new) == ("d", True)


def test_what_was_asked_cannot_be_tried_out_on_the_rows_alone(ana, messages, settings):
    ana.ask(messages)
    first = KeptRequest.objects.get()
    KeptRequest.objects.all().delete()
    settings.SECRET_KEY = "another"
    ana.client.force_login(User.objects.get(username="ana"))
    ana.ask(messages)
    second = KeptRequest.objects.get()

    assert first.fingerprint != second.fingerprint
    assert first.digest != second.digest


def test_a_visitor_without_a_token_is_nobody_to_keep_a_key_for():
    tokens = [
        Client().post(
            "/api/v1/conversations/", {"corpus": "lighthouse"}, content_type=JSON,
            headers={"Idempotency-Key": "a"},
        ).json()["visitor_token"]
        for _ in range(2)
    ]  # fmt: skip

    assert tokens[0] != tokens[1]
    assert not KeptRequest.objects.exists()


# Questions


def test_a_question_that_is_sent_twice_is_asked_once(ana, messages):
    first, second = ana.ask(messages), ana.ask(messages)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second["Idempotency-Replayed"] == "true"
    assert Message.objects.count() == 2


def test_the_answer_can_be_had_in_the_other_form(ana, messages):
    first = ana.ask(messages).json()

    second = ana.ask(messages, Accept="text/event-stream")

    assert second["Content-Type"].startswith("text/event-stream")
    assert Message.objects.count() == 2
    assert first["message_id"]


def test_another_question_with_the_same_key_is_refused(ana, messages):
    ana.ask(messages)

    assert code(ana.ask(messages, "Another one?")) == (422, "idempotency_key_reused")
    assert Message.objects.count() == 2


def test_a_question_that_was_not_admitted_may_be_asked_again(ana, messages, settings):
    settings.QUESTIONS_PER_MINUTE = 0
    assert ana.ask(messages).status_code == 429
    settings.QUESTIONS_PER_MINUTE = 100

    assert ana.ask(messages).status_code == 201


def test_an_answer_that_failed_is_not_written_anew_with_its_key(ana, messages, monkeypatch):
    async def fail(*arguments: Any, **options: Any) -> Any:
        raise RuntimeError("no search today")

    monkeypatch.setattr("chat.retrieval.Retriever.search", fail)
    first = ana.ask(messages)
    monkeypatch.undo()
    second = ana.ask(messages)

    assert (first.status_code, second.status_code // 100) == (500, 5)
    assert Message.objects.count() == 2
    assert ana.ask(messages, key="b").status_code == 201


def test_a_deleted_conversation_takes_its_keys_along(ana, messages):
    started = ana.start("a").json()
    ana.ask(messages)
    for conversation in (messages.split("/")[1], started["id"]):
        ana.client.delete(f"/api/v1/conversations/{conversation}/")

    assert not KeptRequest.objects.exists()
    assert ana.ask(messages).status_code == 404


def test_an_answer_is_written_anew_once_for_one_key(ana, messages):
    answer = ana.ask(messages).json()["message_id"]

    def again() -> Any:
        return ana.client.post(
            f"/api/v1/messages/{answer}/regenerate/", {}, content_type=JSON,
            headers={"Idempotency-Key": "r"},
        )  # fmt: skip

    first, second = again(), again()

    assert first.json()["message_id"] == second.json()["message_id"] != answer
    assert Message.objects.count() == 3


def test_of_a_question_that_is_not_to_be_stored_its_key_is_not_kept_either(ana, messages):
    body = {"question": LAMP, "store": False}
    first, second = ana.post(messages, body), ana.post(messages, body)

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["message_id"] != second.json()["message_id"]
    assert not KeptRequest.objects.exists()


def test_nor_where_the_corpus_keeps_nothing(ana, messages):
    Corpus.objects.update(retention_days=0)

    assert ana.ask(messages).status_code == 201
    assert not KeptRequest.objects.exists()


def test_a_branch_is_told_once_more_without_its_title_being_kept(ana, messages):
    ana.ask(messages)
    question = Message.objects.get(role="user")
    body, address = {"message": str(question.pk)}, messages.replace("messages", "branch")
    first, second = ana.post(address, body, "b"), ana.post(address, body, "b")

    assert (second.status_code, second.json()) == (201, first.json())
    assert first.json()["title"] and second["Idempotency-Replayed"] == "true"
    assert Conversation.objects.count() == 2
    assert not any(kept.body for kept in KeptRequest.objects.all())


@pytest.mark.parametrize("what", ["the feedback", "the conversation"])
def test_a_comment_is_not_kept_longer_than_what_it_is_about(ana, messages, what):
    answer = ana.ask(messages).json()["message_id"]
    ana.post(f"messages/{answer}/feedback/", {"rating": "up", "comment": "canary"}, "f")
    gone = f"messages/{answer}/feedback/" if what == "the feedback" else messages[:-9]

    assert ana.client.delete(f"/api/v1/{gone}").status_code in (200, 204)

    assert "canary" not in str([*KeptRequest.objects.values_list("body", flat=True)])


# Files


def test_files_that_are_sent_twice_are_stored_once():
    key, secret = ApiKey.objects.create_key(name="backend", scopes=["ingest"])
    key.corpora.set(Corpus.objects.all())
    client = Client(headers={"Authorization": f"Api-Key {secret}", "Idempotency-Key": "a"})

    def upload(content: bytes) -> Any:
        file = SimpleUploadedFile("one.md", content)
        return client.post("/api/v1/documents/", {"file": file})

    runs = IngestionRun.objects.count()
    first, second, third = upload(b"# A\n"), upload(b"# A\n"), upload(b"# B\n")

    assert (first.status_code, second.json()) == (202, first.json())
    assert code(third) == (422, "idempotency_key_reused")
    assert (Upload.objects.count(), IngestionRun.objects.count()) == (1, runs + 1)
