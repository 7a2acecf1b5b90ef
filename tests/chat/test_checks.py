"""`manage.py check` on rerankers and chat models: each half-set combination has its message."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from chat import providers
from chat.checks import models_are_configured


def found():
    return models_are_configured(None)


def test_with_defaults_there_is_nothing_to_say():
    assert found() == []


@pytest.mark.parametrize(
    ("configured", "number", "message", "hint"),
    [
        ({"RERANKER": "best"}, "E001", 'RERANKER is "best"', "auto, cohere, none"),
        ({"RERANKER": "cohere"}, "E002", "COHERE_API_KEY is empty", "RERANKER=auto"),
        (
            {"OPENAI_BASE_URL": "http://127.0.0.1:8080/v1"},
            "E003",
            "OPENAI_MODEL is empty",
            "Name the model",
        ),
        ({"OPENAI_API_KEY": "k"}, "E003", "OPENAI_MODEL is empty", "Name the model"),
        (
            {"OPENROUTER_API_KEY": "k", "OPENROUTER_MODELS": []},
            "E004",
            "OPENROUTER_MODELS is empty",
            "openrouter/auto",
        ),
        ({"OPENAI_MODEL": "m"}, "W001", "unused", "Set OPENAI_BASE_URL"),
    ],
    ids=str,
)
def test_what_is_half_set_is_told_with_what_to_do(settings, configured, number, message, hint):
    for name, value in configured.items():
        setattr(settings, name, value)
    (problem,) = found()
    assert problem.id == f"chat.{number}"
    assert message in problem.msg
    assert hint in problem.hint


WHOLE = [
    {"COHERE_API_KEY": "k"},
    {"COHERE_API_KEY": "k", "RERANKER": "cohere"},
    {"COHERE_API_KEY": "k", "RERANKER": "none"},
    {"OPENROUTER_API_KEY": "k"},
    {"OPENAI_BASE_URL": "http://127.0.0.1:8080/v1", "OPENAI_MODEL": "m"},
    {"OPENAI_BASE_URL": "https://x.org/v1", "OPENAI_MODEL": "m", "OPENAI_API_KEY": "k"},
    {"OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"},
]


@pytest.mark.parametrize("configured", WHOLE, ids=str)
def test_what_is_whole_needs_no_words_and_can_be_built(settings, configured):
    for name, value in configured.items():
        setattr(settings, name, value)
    providers.reset()
    assert found() == []
    assert providers.get_chat_model()
    assert providers.get_reranker()


@pytest.mark.parametrize(
    "configured",
    [
        {"OPENAI_BASE_URL": "http://127.0.0.1:8080/v1"},
        {"OPENAI_API_KEY": "k"},
        {"OPENROUTER_API_KEY": "k", "OPENROUTER_MODELS": []},
        {"OPENROUTER_API_KEY": "k", "OPENROUTER_MODELS": ["", " "]},
    ],
    ids=str,
)
def test_whatever_could_not_be_built_was_told_as_an_error(settings, configured):
    for name, value in configured.items():
        setattr(settings, name, value)
    providers.reset()
    with pytest.raises(ImproperlyConfigured):
        providers.get_chat_model()
    assert [problem.is_serious() for problem in found()] == [True]


def test_a_key_is_never_printed(settings):
    settings.OPENAI_API_KEY = settings.OPENROUTER_API_KEY = "very-secret"
    settings.OPENROUTER_MODELS = []
    assert len(found()) == 2
    assert "very-secret" not in str(found())


@pytest.mark.parametrize(
    ("models", "dollars", "warns"),
    [
        (["openrouter/auto"], 0, True),
        (["vendor/model:free", "vendor/model"], 0, True),
        (["vendor/model:free", "openrouter/free"], 0, False),
        (["openrouter/auto"], 0.5, False),
    ],
)
def test_on_a_free_tier_what_costs_money_is_pointed_out(settings, models, dollars, warns):
    settings.FREE_TIER, settings.OPENROUTER_API_KEY = True, "key"
    settings.OPENROUTER_MODELS, settings.OPENROUTER_DOLLARS_A_DAY = models, dollars
    assert [problem.id for problem in found()] == ["chat.W003"] * warns
