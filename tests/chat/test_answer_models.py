"""Which models write answers: chosen in the admin, or else named by the settings."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat import providers
from chat.models import AnswerModel
from documents.providers import breaker
from documents.threads import in_database_thread
from tests.chat.turns import new_turn

CHANGE_LIST = reverse("admin:chat_answermodel_changelist")


@pytest.fixture(autouse=True)
def openrouter(settings, openrouter_standin):
    settings.OPENROUTER_API_KEY = openrouter_standin.api_key
    settings.OPENROUTER_BASE_URL = openrouter_standin.url
    settings.OPENROUTER_MODELS = ["vendor/primary"]
    providers.reset()
    yield openrouter_standin
    providers.reset()


@in_database_thread
def choose(*names: str, **more) -> None:
    for position, name in enumerate(names):
        AnswerModel.objects.create(name=name, position=position, **more)


async def models_that_a_question_asks(corpus, openrouter) -> list[str]:
    from chat.pipeline import answer

    turn = await new_turn(corpus, "How often does the lamp turn?")
    async for _event in answer(turn):
        pass
    return openrouter.chats()[-1].json["models"]


async def test_without_a_choice_the_settings_name_them(corpus, openrouter):
    assert await models_that_a_question_asks(corpus, openrouter) == ["vendor/primary"]


async def test_what_a_curator_chooses_is_asked_in_its_order(corpus, openrouter):
    await choose("vendor/third", "vendor/second")

    asked = await models_that_a_question_asks(corpus, openrouter)

    assert asked == ["vendor/third", "vendor/second"]


async def test_a_running_process_follows_within_seconds(corpus, openrouter, monkeypatch):
    await models_that_a_question_asks(corpus, openrouter)
    await choose("vendor/second")
    assert await models_that_a_question_asks(corpus, openrouter) == ["vendor/primary"]

    monkeypatch.setattr(providers, "LOOK_AGAIN", 0)

    assert await models_that_a_question_asks(corpus, openrouter) == ["vendor/second"]


async def test_with_all_of_them_switched_off_the_settings_count_again(corpus, openrouter):
    await choose("vendor/second", enabled=False)

    assert await models_that_a_question_asks(corpus, openrouter) == ["vendor/primary"]


def test_the_list_shows_who_is_asked_and_how_each_is_doing(admin_client):
    AnswerModel.objects.create(name="vendor/second")
    breaker("openrouter/vendor/second").failed(rest=60.0)

    page = admin_client.get(CHANGE_LIST).text

    assert "left alone for another 59 s" in page
    assert "vendor/primary" not in page


def test_a_refused_key_is_seen_at_each_of_its_models(admin_client, openrouter):
    breaker("openrouter").failed(rest=60.0)

    page = admin_client.get(CHANGE_LIST).text

    assert "vendor/primary</strong>: left alone for another 59 s" in page
    assert openrouter.api_key not in page


def test_without_any_provider_it_says_that_answers_are_quotations(admin_client, settings):
    settings.OPENROUTER_API_KEY = ""

    assert "so answers are quotations" in admin_client.get(CHANGE_LIST).text


@pytest.mark.parametrize("name", ["", "two words", "a\nb", "<b>", "x" * 201])
def test_what_is_no_name_of_a_model_is_refused(admin_client, name):
    form = {"provider": "openrouter", "name": name, "position": "1", "enabled": "on"}

    response = admin_client.post(reverse("admin:chat_answermodel_add"), form)

    assert response.status_code == 200
    assert "errorlist" in response.text
    assert not AnswerModel.objects.exists()


def test_more_models_cost_the_list_no_more_queries(admin_client):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert "in use" in admin_client.get(CHANGE_LIST).text
        return len(captured)

    AnswerModel.objects.create(name="vendor/second")
    with_one = queries()
    for number in range(5):
        AnswerModel.objects.create(name=f"vendor/more-{number}", position=number)

    assert queries() == with_one


def test_one_too_many_is_not_asked_and_says_so(admin_client):
    for number in range(10):
        AnswerModel.objects.create(name=f"vendor/model-{number}", position=number)

    assert admin_client.get(CHANGE_LIST).text.count("too many stand before it") == 1
