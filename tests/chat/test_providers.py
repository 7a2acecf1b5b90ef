"""Which reranker and chat model the settings select."""

import asyncio

import pytest
from django.core.exceptions import ImproperlyConfigured

from chat import providers
from chat.llm.extractive import ExtractiveModel
from chat.llm.fallback import FallbackModel
from chat.llm.openai_compatible import OpenAICompatibleModel
from chat.reranking.cohere import CohereReranker
from chat.reranking.passthrough import KeepOrder
from documents.providers import meter
from documents.threads import in_database_thread
from tests.chat.samples import answer_of, passage


@pytest.fixture(autouse=True)
def fresh():
    providers.reset()
    yield
    providers.reset()


@pytest.fixture
def openrouter(settings, openrouter_standin):
    settings.OPENROUTER_API_KEY = openrouter_standin.api_key
    settings.OPENROUTER_BASE_URL = openrouter_standin.url
    settings.OPENROUTER_MODELS = ["vendor/primary", "vendor/second", "vendor/third"]
    return openrouter_standin


def test_without_keys_passages_are_quoted_and_keep_their_order():
    assert isinstance(providers.get_chat_model(), ExtractiveModel)
    assert isinstance(providers.get_reranker(), KeepOrder)


def test_both_are_built_once():
    assert providers.get_chat_model() is providers.get_chat_model()
    assert providers.get_reranker() is providers.get_reranker()


def test_a_key_selects_cohere(settings):
    settings.COHERE_API_KEY = "key"
    assert isinstance(providers.get_reranker(), CohereReranker)


def test_a_reranker_can_be_switched_off(settings):
    settings.COHERE_API_KEY, settings.RERANKER = "key", "none"
    assert isinstance(providers.get_reranker(), KeepOrder)


@pytest.mark.parametrize("choice", ["cohere", "best"])
def test_a_choice_that_cannot_be_met_is_refused(settings, choice):
    settings.RERANKER = choice
    with pytest.raises(ImproperlyConfigured):
        providers.get_reranker()


async def test_cohere_is_called_as_configured(settings, cohere_standin):
    settings.COHERE_API_KEY, settings.COHERE_BASE_URL = cohere_standin.api_key, cohere_standin.url
    settings.RERANK_DEADLINE_MS = 10_000
    reranker = providers.get_reranker()
    assert len(await reranker.rerank("bread", [passage("Bread."), passage("Milk.")], top_k=1)) == 1
    assert cohere_standin.requests[0].headers["x-client-name"] == "ragsite"


async def test_openrouter_gets_its_models_in_one_call(openrouter):
    text, completion = await answer_of(providers.get_chat_model())
    assert text == openrouter.answer
    assert completion.model == "vendor/primary"
    (request,) = openrouter.chats()
    assert request.json["models"] == ["vendor/primary", "vendor/second", "vendor/third"]
    assert request.json["provider"] == {"data_collection": "deny"}
    assert request.json["max_completion_tokens"] == 900


def test_more_models_make_more_calls_and_one_is_kept_for_the_other_provider(settings):
    settings.OPENROUTER_API_KEY, settings.OPENROUTER_MODELS = "key", [f"v/m{n}" for n in range(12)]
    settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = "http://127.0.0.1:11434/v1", "llama"
    chain = providers.get_chat_model()
    assert isinstance(chain, FallbackModel)
    assert [model.name for model in chain.models] == ["v/m0", "v/m3", "llama"]


def test_free_models_and_others_are_asked_in_calls_of_their_own(settings):
    settings.OPENROUTER_API_KEY = "key"
    settings.OPENROUTER_MODELS = ["v/a:free", "v/b:free", "v/c", "v/d", "v/e", "v/f", "v/g:free"]
    asked = dict(providers.models_asked({}))["openrouter"]
    assert [model.name for model in providers.get_chat_model().models] == ["v/a:free", "v/c", "v/f"]
    assert asked == settings.OPENROUTER_MODELS[:6]


async def test_with_the_free_calls_used_up_the_others_are_asked(openrouter, settings, corpus):
    settings.OPENROUTER_MODELS = ["vendor/primary:free", "vendor/second"]
    openrouter.known.add("vendor/primary:free")
    settings.BUDGETS, settings.OPENROUTER_FREE_CALLS_A_DAY = "hard", 1
    for _question in range(2):
        await answer_of(providers.get_chat_model())
    first, second = openrouter.chats()
    assert first.json["models"] == ["vendor/primary:free"]
    assert second.json["models"] == ["vendor/second"]


async def test_a_call_of_free_models_cannot_spend_dollars(openrouter, settings, corpus):
    settings.OPENROUTER_MODELS = ["vendor/primary:free", "vendor/second"]
    openrouter.known.add("vendor/primary:free")
    settings.BUDGETS, settings.OPENROUTER_DOLLARS_A_DAY = "hard", 0.0001
    await in_database_thread(meter("openrouter").admit)("chat", model="vendor/second")
    for _question in range(2):
        await answer_of(providers.get_chat_model())
    assert [call.json["models"] for call in openrouter.chats()] == [["vendor/primary:free"]] * 2


def test_any_openai_compatible_server_will_do(settings):
    settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = "http://127.0.0.1:11434/v1", "llama"
    (model,) = providers.get_chat_model().models
    assert isinstance(model, OpenAICompatibleModel)
    assert model.provider == "127.0.0.1:11434"  # what listens on another port is somebody else


def test_behind_a_model_somebody_quotes_unless_that_is_switched_off(settings):
    assert providers.get_quotes() is None  # nobody else is there
    settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = "http://127.0.0.1:11434/v1", "llama"
    providers.reset()
    assert isinstance(providers.get_quotes(), ExtractiveModel)
    settings.EXTRACTIVE_FALLBACK = False
    assert providers.get_quotes() is None


def test_an_openai_server_without_a_model_is_refused(settings):
    settings.OPENAI_BASE_URL = "http://127.0.0.1:11434/v1"
    with pytest.raises(ImproperlyConfigured, match="OPENAI_MODEL"):
        providers.get_chat_model()


def test_every_event_loop_has_connections_of_its_own(openrouter):
    async def ask() -> str:
        return (await answer_of(providers.get_chat_model()))[0]

    assert asyncio.run(ask()) == asyncio.run(ask()) == openrouter.answer
