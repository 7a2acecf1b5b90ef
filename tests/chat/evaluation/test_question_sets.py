"""Question sets in the admin and on the command line."""

import json

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from chat.evaluation.cases import read_cases
from chat.evaluation.question_sets import as_lines, store
from chat.models import Message, Question, QuestionSet
from tests.chat.evaluation.test_cases import FULL, LAMP, UNKNOWN
from tests.chat.turns import events_of, new_turn


@pytest.fixture
def admin(client, transactional_db):
    client.force_login(User.objects.create_superuser("eve"))
    return client


@pytest.fixture
def question_set(corpus):
    return QuestionSet.objects.create(slug="nightly", corpus=corpus)


def lines(*rows):
    return "\n".join(map(json.dumps, rows))


def cases(*rows):
    return read_cases(lines(*rows).splitlines(), "set")


async def ask(corpus, *questions):
    conversation = None
    for question in questions:
        turn = await new_turn(corpus, question, conversation)
        await events_of(turn)
        conversation = turn.conversation
    return turn


# A bad answer becomes a test case


def collect(admin, model, rows, **form):
    """What the page sends when "Add" is pressed, or what leads to the page."""
    data = {"action": "add_to_question_set", "_selected_action": [str(row.pk) for row in rows]}
    return admin.post(reverse(f"admin:chat_{model}_changelist"), {**data, **form})


def filled_in(*forms, question_set="nightly"):
    data = {
        "apply": "Add", "question_set": question_set,
        "form-TOTAL_FORMS": len(forms), "form-INITIAL_FORMS": len(forms),
    }  # fmt: skip
    for at, form in enumerate(forms):
        data |= {f"form-{at}-{name}": value for name, value in form.items()}
    return data


WANTED = {
    "include": "on", "question": "How often does the lamp turn?", "page": "guide/lamp.md",
    "heading": "Timing", "key_facts": "twelve seconds\nthree flashes",
}  # fmt: skip


def test_the_page_offers_what_was_cited(corpus, admin):
    async_to_sync(ask)(corpus, "How often does the lamp turn?")
    answer = Message.objects.get(role="assistant")

    page = collect(admin, "message", [answer]).content.decode()

    assert 'value="guide/lamp.md"' in page
    assert 'value="Timing"' in page
    assert "How often does the lamp turn?" in page
    assert "twelve seconds" in page  # the answer, to be judged


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_message_becomes_a_question_of_a_set(corpus, admin, role):
    async_to_sync(ask)(corpus, "How often does the lamp turn?")

    response = collect(admin, "message", [Message.objects.get(role=role)], **filled_in(WANTED))

    assert response.status_code == 302, response.content.decode()
    question = Question.objects.get()
    assert (question.question_set.slug, question.question_set.corpus) == ("nightly", corpus)
    assert (question.answer_page, question.answer_heading) == ("guide/lamp.md", "Timing")
    assert question.key_facts == ["twelve seconds", "three flashes"]
    assert question.message.role == "assistant"


def test_a_follow_up_keeps_what_was_said_before(corpus, admin):
    turn = async_to_sync(ask)(corpus, "How often does the lamp turn?", "And in which colours?")
    colours = {**WANTED, "question": "And in which colours?", "heading": "Colours", "key_facts": ""}

    collect(admin, "conversation", [turn.conversation], **filled_in(WANTED, colours))

    first, second = Question.objects.all()
    assert "history" not in first.details
    assert second.type == "follow-up"
    assert [said["role"] for said in second.details["history"]] == ["user", "assistant"]


def test_it_may_be_that_nothing_answers(corpus, admin):
    async_to_sync(ask)(corpus, "Who built the lamp?")
    form = {**WANTED, "not_in_content": "on", "page": "", "heading": "", "key_facts": ""}

    collect(admin, "message", [Message.objects.get(role="user")], **filled_in(form))

    question = Question.objects.get()
    assert (question.type, question.answer_page) == ("unanswerable", "")


def test_a_question_can_be_left_out_and_reworded(corpus, admin):
    turn = async_to_sync(ask)(corpus, "I am Joe. How often does the lamp turn?", "Thanks!")
    forms = filled_in(WANTED, {"question": "Thanks!", "page": ""})

    collect(admin, "conversation", [turn.conversation], **forms)

    assert [question.question for question in Question.objects.all()] == [WANTED["question"]]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"page": ""}, "Name the page that answers"),
        ({"page": "lamp.md"}, "has no page"),
        ({"heading": "Tming"}, "It has: The lamp · Colours · Timing"),
    ],
)
def test_a_place_that_is_not_there_is_explained(corpus, admin, changed, said):
    async_to_sync(ask)(corpus, "How often does the lamp turn?")
    page = collect(
        admin, "message", [Message.objects.get(role="user")], **filled_in({**WANTED, **changed})
    )
    assert said in page.content.decode()
    assert not Question.objects.exists()


def test_a_set_belongs_to_one_corpus(corpus, admin):
    other = type(corpus).objects.create(slug="other", name="Other")
    QuestionSet.objects.create(slug="nightly", corpus=other)
    async_to_sync(ask)(corpus, "How often does the lamp turn?")

    page = collect(admin, "message", [Message.objects.get(role="user")], **filled_in(WANTED))

    assert "belongs to the corpus" in page.content.decode()
    assert not Question.objects.exists()


def test_who_may_not_add_questions_is_not_offered_it(corpus, client):
    user = User.objects.create_user("joe", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_message"))
    client.force_login(user)
    async_to_sync(ask)(corpus, "How often does the lamp turn?")

    collect(client, "message", [Message.objects.get(role="user")], **filled_in(WANTED))

    assert (
        "add_to_question_set"
        not in client.get(reverse("admin:chat_message_changelist")).content.decode()
    )
    assert not Question.objects.exists()


# In and out


def test_what_is_exported_reads_as_what_was_imported(question_set):
    rows = cases(LAMP, FULL, UNKNOWN)
    assert store(question_set, rows) == (3, 0)

    again = read_cases(as_lines(question_set.questions.all()).splitlines(), "again")

    assert again == rows


def test_a_question_takes_the_place_of_the_one_with_its_id(question_set):
    store(question_set, cases(LAMP))
    assert store(question_set, cases({**LAMP, "question": "How fast?"})) == (0, 1)
    assert question_set.questions.get().question == "How fast?"


def test_the_admin_exports_json_lines(question_set, admin):
    store(question_set, cases(LAMP, UNKNOWN))

    response = admin.post(
        reverse("admin:chat_questionset_changelist"),
        {"action": "export", "_selected_action": [question_set.pk]},
    )

    assert "nightly.jsonl" in response["Content-Disposition"]
    assert read_cases(response.content.decode().splitlines(), "file") == cases(LAMP, UNKNOWN)


def test_the_admin_imports_json_lines(question_set, admin):
    address = reverse("admin:chat_questionset_change", args=[question_set.pk])
    file = SimpleUploadedFile("set.jsonl", lines(LAMP, FULL).encode())

    response = admin.post(address, {"slug": "nightly", "lines": file})

    assert response.status_code == 302, response.content.decode()
    assert question_set.questions.count() == 2


def test_a_bad_file_is_explained_and_nothing_is_kept(question_set, admin):
    address = reverse("admin:chat_questionset_change", args=[question_set.pk])
    for content, said in [
        (lines(LAMP).encode() + b"\n{", "set.jsonl, line 2: not JSON"),
        (b"\xff\xfe", "It is not UTF-8"),
    ]:
        file = SimpleUploadedFile("set.jsonl", content)
        page = admin.post(address, {"slug": "nightly", "lines": file}).content.decode()
        assert said in page
    assert not Question.objects.exists()


def test_the_form_of_a_question_knows_the_corpus(question_set, admin):
    form = {
        "question_set": question_set.pk, "key": "1", "question": "How often?", "type": "fact",
        "answer_page": "guide/lamp.md", "answer_heading": "Timing", "key_facts": '["twelve"]',
        "details": "{}",
    }  # fmt: skip
    address = reverse("admin:chat_question_add")

    wrong = admin.post(address, {**form, "answer_heading": "Tming"})
    assert "The page has no heading" in wrong.content.decode()
    assert admin.post(address, form).status_code == 302
    assert question_set.questions.get().key_facts == ["twelve"]


@pytest.mark.parametrize("model", ["questionset", "question"])
def test_every_page_opens(question_set, admin, model):
    store(question_set, cases(FULL))
    row = question_set if model == "questionset" else question_set.questions.get()
    for address in (
        reverse(f"admin:chat_{model}_changelist"),
        reverse(f"admin:chat_{model}_add"),
        reverse(f"admin:chat_{model}_change", args=[row.pk]),
    ):
        assert admin.get(address).status_code == 200


# On the command line


def test_a_file_is_stored_evaluated_and_exported(corpus, tmp_path, capsys):
    path, out = tmp_path / "questions.jsonl", tmp_path / "out.jsonl"
    path.write_text(lines(LAMP, UNKNOWN))

    call_command("evaluate", str(path), corpus="lighthouse", store="nightly")
    assert "nightly: 2 new, 0 replaced" in capsys.readouterr().out
    call_command("evaluate", "nightly", export=out)
    assert read_cases(out.read_text().splitlines(), "out") == cases(LAMP, UNKNOWN)

    capsys.readouterr()
    call_command("evaluate", "nightly", json=True)
    (result,) = json.loads(capsys.readouterr().out)["sets"]
    assert (result["name"], result["measures"]["page@5"]["mean"]) == ("nightly", 1)


def test_an_empty_set_is_explained(question_set):
    with pytest.raises(CommandError, match='The question set "nightly" is empty'):
        call_command("evaluate", "nightly")


def test_a_set_is_stored_for_a_corpus(corpus, site, tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text(lines(LAMP))
    with pytest.raises(CommandError, match="--store needs --corpus"):
        call_command("evaluate", str(path), folder=site, store="nightly")


def test_deleting_a_conversation_keeps_the_question(corpus, admin):
    turn = async_to_sync(ask)(corpus, "How often does the lamp turn?")
    collect(admin, "message", [Message.objects.get(role="user")], **filled_in(WANTED))

    turn.conversation.delete()

    assert Question.objects.get().message is None
