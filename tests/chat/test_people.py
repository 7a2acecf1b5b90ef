"""What is stored about one person can be handed over and removed: all of it, and nobody else's."""

import io
import json

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client

from chat.models import ApiKey, Conversation, Feedback, Message
from documents.models import AuditEntry, Corpus

pytestmark = pytest.mark.django_db


@pytest.fixture
def corpus():
    return Corpus.objects.create(slug="docs", name="Docs")


@pytest.fixture
def ada():
    return User.objects.create_user("ada", email="ada@example.org", password="right-horse")


def said(corpus, owner, text):
    conversation = Conversation.objects.create(corpus=corpus, owner=owner, title=text)
    message = Message.objects.create(conversation=conversation, role="user", text=text)
    message.citations.create(
        number=1, chunk_id="00000000-0000-4000-8000-000000000000", title=f"cited {text}", url="/",
        quote="q", quote_start=0, quote_end=1, text_hash="",
    )  # fmt: skip
    answer = Message.objects.create(conversation=conversation, role="assistant", text=f"re {text}")
    Feedback.objects.create(message=answer, rating=1, comment=f"thanks {text}")
    return conversation


def person(*arguments):
    out = io.StringIO()
    call_command("person", *arguments, stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture
def two(corpus, ada):
    said(corpus, f"user:{ada.pk}", "canary-of-ada")
    said(corpus, f"user:{ada.pk}", "second-of-ada")
    said(corpus, f"user:{ada.pk}1", "canary-of-another")
    said(corpus, "visitor:7", "canary-of-a-visitor")


@pytest.mark.parametrize("who", ["ada", "ADA@example.org", "user"])
def test_the_export_holds_all_of_one_and_nothing_of_others(two, ada, who):
    told = person("export", f"user:{ada.pk}" if who == "user" else who)
    text = json.dumps(told)
    assert told["account"]["email"] == "ada@example.org"
    assert len(told["conversations"]) == 2
    for word in ("canary-of-ada", "re canary-of-ada", "cited canary", "thanks canary-of-ada"):
        assert word in text
    assert "canary-of-a-visitor" not in text and "canary-of-another" not in text
    assert "password" not in text and "md5$" not in text


def test_deletion_leaves_nothing_and_says_how_much_it_was(two, ada):
    Client().force_login(ada)
    receipt = person("delete", "ada")
    assert receipt == {
        "owner": f"user:{ada.pk}", "conversations": 2, "messages": 4, "sessions": 1,
        "account": True, "left": 0,
    }  # fmt: skip
    assert not User.objects.exists() and not Session.objects.exists()
    assert sorted(Conversation.objects.values_list("title", flat=True)) == [
        "canary-of-a-visitor", "canary-of-another"
    ]  # fmt: skip


def test_the_account_may_stay(two, ada):
    assert person("delete", "ada", "--keep-account")["account"] is False
    assert User.objects.filter(pk=ada.pk).exists()
    assert not Conversation.objects.filter(owner=f"user:{ada.pk}").exists()


def test_a_key_stays_when_what_it_asked_goes(corpus):
    key, _secret = ApiKey.objects.create_key(name="backend")
    said(corpus, f"key:{key.prefix}", "canary")
    assert person("delete", f"key:{key.prefix}")["conversations"] == 1
    assert ApiKey.objects.count() == 1


def test_both_are_on_record_with_ids_alone(two, ada):
    person("export", "ada")
    person("delete", "ada")
    found = AuditEntry.objects.filter(target=f"user:{ada.pk}", action__startswith="person.")
    assert [e.action for e in found.order_by("number")] == ["person.exported", "person.deleted"]
    rows = str(list(AuditEntry.objects.values_list("target", "by", "details")))
    assert "ada" not in rows and "canary" not in rows


@pytest.mark.parametrize("who", ["nobody", "twice@example.org", "robot:7", "user:"])
def test_whoever_is_not_one_person_is_refused(corpus, who):
    for name in ("a", "b"):
        User.objects.create_user(name, email="twice@example.org")
    with pytest.raises(CommandError, match="known by this"):
        person("delete", who)


# In the admin


@pytest.fixture
def chosen(ada, two):
    return {"action": "remove_person", "_selected_action": [str(ada.pk)]}


def test_an_administrator_hands_it_over_as_a_file(admin_client, chosen, ada):
    response = admin_client.post("/admin/auth/user/", {**chosen, "action": "hand_over_person"})
    assert "attachment" in response["Content-Disposition"]
    assert json.loads(response.content)["owner"] == f"user:{ada.pk}"
    assert "no-store" in response["Cache-Control"]


def test_an_administrator_removes_it_after_a_question(admin_client, chosen, ada):
    page = admin_client.post("/admin/auth/user/", chosen)
    assert "Are you sure" in page.text
    assert User.objects.filter(pk=ada.pk).exists()
    page = admin_client.post("/admin/auth/user/", {**chosen, "post": "yes"}, follow=True)
    assert "2 conversations" in page.text
    assert not User.objects.filter(pk=ada.pk).exists()


def test_staff_without_the_permissions_is_not_offered_them(client, chosen, ada):
    staff = User.objects.create_user("staff", is_staff=True)
    codes = ["view_user", "change_user"]
    staff.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client.force_login(staff)
    assert "remove_person" not in client.get("/admin/auth/user/").text
    client.post("/admin/auth/user/", {**chosen, "post": "yes"})
    assert User.objects.filter(pk=ada.pk).exists()


def test_an_account_that_is_deleted_the_usual_way_takes_its_conversations_along(
    admin_client, two, ada
):
    admin_client.post(f"/admin/auth/user/{ada.pk}/delete/", {"post": "yes"})
    assert not User.objects.filter(pk=ada.pk).exists()
    assert not Conversation.objects.filter(owner=f"user:{ada.pk}").exists()
