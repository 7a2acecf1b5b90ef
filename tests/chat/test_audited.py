"""What people asked is read by others only with a permission of its own, and it is on record."""

import pytest
from django.contrib.auth.models import Permission, User

from chat.models import AnswerModel, ApiKey, Conversation, Message, QuestionSet
from documents.models import AuditEntry, Corpus

pytestmark = pytest.mark.django_db
ASKED = "How do I hide the canary-7431?"


@pytest.fixture
def conversation():
    corpus = Corpus.objects.create(slug="docs", name="Docs")
    conversation = Conversation.objects.create(corpus=corpus, owner="key:abc", title=ASKED)
    Message.objects.create(conversation=conversation, role="user", text=ASKED)
    return conversation


def staff(client, *codenames):
    user = User.objects.create_user("staff", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    return user


def address(row, what="change/"):
    return f"/admin/chat/{row._meta.model_name}/{row.pk}/{what}"


def entries(action):
    return list(AuditEntry.objects.filter(action=action).order_by("number"))


EVERYTHING_BUT_READING = (
    "view_conversation", "change_conversation", "delete_conversation", "view_message",
    "change_message", "delete_message", "add_question", "add_questionset", "view_corpus",
    "delete_corpus",
)  # fmt: skip


def test_who_lacks_the_permission_sees_nothing_of_it(client, conversation):
    staff(client, *EVERYTHING_BUT_READING)
    message = conversation.messages.get()
    for page in (
        "/admin/chat/conversation/", "/admin/chat/message/", address(conversation),
        address(message), address(conversation, "delete/"), address(message, "history/"),
        address(conversation.corpus, "delete/").replace("/chat/", "/documents/"), "/admin/",
    ):  # fmt: skip
        assert "canary-7431" not in client.get(page).text, page
    chosen = {"action": "add_to_question_set", "_selected_action": [str(message.pk)]}
    assert "canary-7431" not in client.post("/admin/chat/message/", chosen).text
    assert entries("conversation.read") == entries("conversations.listed") == []


@pytest.mark.parametrize("row", ["conversation", "message"])
def test_reading_one_is_on_record(client, conversation, row):
    reader = staff(client, "read_conversations")
    read = conversation if row == "conversation" else conversation.messages.get()
    assert "canary-7431" in client.get(address(read)).text
    (entry,) = entries("conversation.read")
    assert entry.target == f"conversation:{conversation.pk}"
    assert (entry.by, entry.corpus) == (f"user:{reader.pk}", "docs")
    assert entry.details == {"owner": "key:abc"}


@pytest.mark.parametrize("rows", ["conversation", "message"])
def test_looking_through_the_list_is_on_record(client, conversation, rows):
    staff(client, "read_conversations")
    assert "canary-7431" in client.get(f"/admin/chat/{rows}/").text
    assert len(entries("conversations.listed")) == 1


def test_what_cannot_be_put_on_record_is_not_shown(client, conversation, monkeypatch):
    staff(client, "read_conversations")

    def refuse(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr("documents.trail.AuditEntryQuerySet.append", refuse)
    with pytest.raises(RuntimeError):
        client.get(address(conversation))


def test_taking_it_into_a_question_set_is_reading_it(client, conversation):
    staff(client, "read_conversations", "add_question", "add_questionset")
    chosen = {"action": "add_to_question_set", "_selected_action": [str(conversation.pk)]}
    assert "canary-7431" in client.post("/admin/chat/conversation/", chosen).text
    assert len(entries("conversation.read")) == 1
    assert not QuestionSet.objects.exists()


def test_deleting_one_is_on_record(client, conversation):
    reader = staff(client, "read_conversations", "delete_conversation", "delete_message")
    assert client.post(address(conversation, "delete/"), {"post": "yes"}).status_code == 302
    assert not Conversation.objects.exists()
    (entry,) = entries("conversation.deleted")
    assert (entry.target, entry.by) == (f"conversation:{conversation.pk}", f"user:{reader.pk}")


def test_nothing_that_was_asked_is_in_the_log_of_the_admin(client, conversation):
    user = staff(client, "read_conversations", "delete_conversation", "delete_message")
    client.post(address(conversation, "delete/"), {"post": "yes"})
    assert "canary" not in str(user.logentry_set.values_list("object_repr", "change_message"))
    assert "canary" not in str(AuditEntry.objects.values_list("target", "details"))


# Keys and models


def test_the_life_of_a_key_is_on_record():
    corpus = Corpus.objects.create(slug="docs", name="Docs")
    key, secret = ApiKey.objects.create_key(name="backend of the shop")
    key.corpora.add(corpus)
    key.name = "backend of the other shop"
    key.save()
    key.revoked = True
    key.save()
    key.delete()
    found = AuditEntry.objects.filter(target=f"key:{key.prefix}").order_by("number")
    assert [(entry.action, entry.details) for entry in found] == [
        ("key.created", {}),
        ("key.changed", {"changed": {"corpora": {"add": [corpus.pk]}}}),
        ("key.changed", {"changed": {"name": "…"}}),
        ("key.revoked", {"changed": {"revoked": True}}),
        ("key.deleted", {}),
    ]
    assert secret.partition(".")[2] not in str(AuditEntry.objects.values_list())


def test_the_models_that_write_are_on_record(admin_client):
    model = AnswerModel.objects.create(name="vendor/model")
    form = {
        "form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": model.pk,
        "form-0-position": 4, "_save": "Save",
    }  # fmt: skip
    assert admin_client.post("/admin/chat/answermodel/", form).status_code == 302
    (entry,) = entries("answer_model.changed")
    assert entry.details == {"changed": {"position": 4, "enabled": False}}
    assert entry.by.startswith("user:")
