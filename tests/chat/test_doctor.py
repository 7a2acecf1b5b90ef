"""`manage.py doctor`: what can be used, what cannot and why; never a secret, never for long."""

import json
import time
from collections.abc import Iterator
from email.utils import formatdate
from functools import cache
from io import StringIO
from types import SimpleNamespace

import pytest
from django.conf import settings as configured
from django.core.management import call_command
from django.db import connection

import chat.providers
from chat.models import AnswerModel
from documents import ledger, providers
from documents.diagnosis import base
from documents.models import ProviderUsage
from documents.upstream.breaker import Breaker
from documents.upstream.moments import Memory, Moments
from tests.databases import SERVER
from tests.standins import NEVER, NO_REPLY, CohereStandIn, OpenRouterStandIn, html_reply, json_reply
from tests.standins.cohere import MODELS, error
from tests.standins.openrouter import KEY
from tests.standins.openrouter import MODELS as SLUGS

EMBED_MODEL, RERANK_MODEL = MODELS + "embed-v4.0", MODELS + "rerank-v3.5"

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    providers.reset()
    chat.providers.reset()
    yield
    providers.reset()


@pytest.fixture
def cohere(cohere_standin: CohereStandIn, settings) -> CohereStandIn:
    settings.COHERE_API_KEY, settings.COHERE_BASE_URL = cohere_standin.api_key, cohere_standin.url
    return cohere_standin


@pytest.fixture
def openrouter(openrouter_standin: OpenRouterStandIn, settings) -> OpenRouterStandIn:
    settings.OPENROUTER_API_KEY = openrouter_standin.api_key
    settings.OPENROUTER_BASE_URL = openrouter_standin.url
    settings.OPENROUTER_MODELS = ["vendor/primary", "vendor/second"]
    return openrouter_standin


def doctor(**options) -> SimpleNamespace:
    out = StringIO()
    try:
        call_command("doctor", json=True, stdout=out, **options)
        code = 0
    except SystemExit as left:
        code = left.code
    return SimpleNamespace(code=code, text=out.getvalue(), **json.loads(out.getvalue()))


def said(found: SimpleNamespace, part: str, status: str) -> str:
    lines = [item["says"] for item in found.parts[part] if item["status"] == status]
    return "\n".join(lines)


def test_the_embedded_shape_is_well():
    found = doctor()
    assert (found.code, found.usable) == (0, True)
    assert list(found.parts) == [
        "versions", "settings", "database", "redis", "qdrant", "cohere", "openrouter", "openai",
        "ledger", "clock",
    ]  # fmt: skip
    assert "all migrations applied" in said(found, "database", "ok")
    assert "Python 3." in said(found, "versions", "ok")


def test_for_people_it_is_a_line_each():
    out = StringIO()
    call_command("doctor", stdout=out)
    assert " ok   database   all migrations applied" in out.getvalue().splitlines()


# Providers


def test_cohere_knows_key_and_models_and_the_calls_are_counted(cohere):
    found = doctor()
    assert found.code == 0
    assert "embed with embed-v4.0" in said(found, "cohere", "ok")
    assert "rerank with rerank-v3.5" in said(found, "cohere", "ok")
    ledger.this_process.flush()
    assert sum(ProviderUsage.objects.values_list("calls", flat=True)) == len(cohere.requests) == 2


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (error(401, "invalid api token"), "refused the key (401)"),
        (error(404, "model not found"), "does not know the model embed-v4.0"),
        (error(429, "limited to 1000 API calls / month"), "allows no more calls now"),
        (html_reply(503), "answered 503"),
        (json_reply({"endpoints": ["chat"]}), "embed-v4.0 is not for embed"),
        (NO_REPLY, "cannot be reached (RemoteProtocolError)"),
    ],
    ids=["key", "model", "month", "edge", "endpoints", "silence"],
)
def test_why_cohere_cannot_be_used(cohere, reply, says):
    cohere.script(EMBED_MODEL, reply)
    found = doctor()
    assert found.code == 1
    assert says in said(found, "cohere", "failed")


def test_a_trial_key_without_a_budget_is_pointed_out(cohere_trial_standin, settings):
    settings.COHERE_API_KEY = cohere_trial_standin.api_key
    settings.COHERE_BASE_URL = cohere_trial_standin.url
    assert "this is a trial key: 1000 calls a month" in said(doctor(), "cohere", "warning")
    settings.COHERE_CALLS_A_MONTH = 1000
    providers.reset()
    assert said(doctor(), "cohere", "warning") == ""


class FarAway(Memory):
    def get(self, key, default=None):
        time.sleep(0.05)
        return super().get(key, default)


def test_what_another_process_learned_of_cohere_is_told_though_it_is_away(
    settings, cohere, monkeypatch
):
    store = FarAway()
    Breaker("cohere/embed", Moments(store, "", remote=False)).failed(rest=60.0)
    monkeypatch.setattr(providers, "_moments", cache(lambda: Moments(store, "", remote=True)))
    settings.COHERE_BASE_URL = "http://127.0.0.1:1"

    found = doctor()

    assert "cohere/embed keeps failing" in said(found, "cohere", "warning")
    assert "cannot be reached" in said(found, "cohere", "failed")


def test_an_exhausted_budget_is_told_and_nothing_is_called(cohere, settings):
    settings.COHERE_CALLS_A_MONTH = 1
    providers.meter("cohere").admit("embed", model="m")
    found = doctor()
    assert found.code == 1
    assert "not asked" in said(found, "cohere", "failed")
    assert "1 of 1 calls a month used (hard)" in said(found, "ledger", "failed")
    assert not cohere.requests


def test_openrouter_tells_of_its_key_and_models(openrouter):
    found = doctor()
    assert found.code == 0
    assert "50 of 50 requests to free models left today" in said(found, "openrouter", "ok")
    assert "models vendor/primary, vendor/second" in said(found, "openrouter", "ok")
    assert openrouter.chats() == []


def test_a_model_that_does_not_exist_is_a_failure(openrouter, settings):
    settings.OPENROUTER_MODELS = ["vendor/primary:nitro", "vendor/gone"]
    found = doctor()
    assert found.code == 1
    assert said(found, "openrouter", "failed") == "there is no vendor/gone"


def test_the_models_that_a_curator_chose_are_looked_for(openrouter):
    AnswerModel.objects.create(name="vendor/gone")
    assert "there is no vendor/gone" in said(doctor(), "openrouter", "failed")


def test_a_day_without_free_requests_is_a_failure_only_without_other_models(openrouter, settings):
    openrouter.known |= {"vendor/small:free"}
    openrouter.key_card = {"free_model_daily_requests": {"used": 50, "limit": 50, "remaining": 0}}
    settings.OPENROUTER_MODELS = ["vendor/small:free"]
    assert "0 of 50 requests" in said(doctor(), "openrouter", "failed")
    settings.OPENROUTER_MODELS = ["vendor/small:free", "vendor/primary"]
    assert "0 of 50 requests" in said(doctor(), "openrouter", "warning")


def test_a_key_whose_limit_is_reached_is_a_failure(openrouter):
    openrouter.key_card = {"limit": 5, "limit_remaining": 0}
    assert "its limit is reached" in said(doctor(), "openrouter", "failed")


def test_another_server_is_asked_for_its_models(openrouter_standin, settings):
    settings.OPENAI_BASE_URL, settings.OPENAI_MODEL = openrouter_standin.url, "vendor/primary"
    assert "model vendor/primary" in said(doctor(), "openai", "ok")
    settings.OPENAI_MODEL = "mine"
    assert "does not list mine" in said(doctor(), "openai", "warning")
    openrouter_standin.script(SLUGS, html_reply(404))
    assert "does not list its models" in said(doctor(), "openai", "warning")


# Qdrant


def test_qdrant_before_and_after_the_first_run(qdrant_standin, settings, corpus):
    settings.QDRANT_URL, settings.QDRANT_API_KEY = qdrant_standin.url, qdrant_standin.api_key
    providers.reset()
    found = doctor()
    assert found.code == 0
    assert "is not there yet" in said(found, "qdrant", "warning")

    providers.get_index().prepare()
    found = doctor()
    assert found.code == 0
    assert "server 1.20.0" in said(found, "qdrant", "ok")
    assert "0 points of bundled/" in said(found, "qdrant", "ok")
    assert "strict mode on" in said(found, "qdrant", "ok")


def test_a_collection_of_another_space_is_a_failure(qdrant_standin, settings):
    settings.QDRANT_URL, settings.QDRANT_API_KEY = qdrant_standin.url, qdrant_standin.api_key
    providers.reset()
    providers.get_index().prepare()
    settings.EMBEDDER = "none"
    providers.reset()
    found = doctor()
    assert found.code == 1
    assert "points to vectors of the space bundled/" in said(found, "qdrant", "failed")


def test_a_wrong_key_for_qdrant_is_a_failure(qdrant_standin, settings):
    settings.QDRANT_URL, settings.QDRANT_API_KEY = qdrant_standin.url, "wrong-canary"
    found = doctor()
    assert "refused the API key (401)" in said(found, "qdrant", "failed")
    assert "suspended" not in found.text  # that would be another trouble
    assert "wrong-canary" not in found.text


# Database and Redis


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
def test_postgresql_is_held_against_the_size_of_the_plan(settings):
    assert "PostgreSQL" in said(doctor(), "database", "ok")
    settings.DATABASE_BYTES = 1_000_000
    assert "of 1.0 MB" in said(doctor(), "database", "warning")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
def test_the_way_past_a_pooler_is_tried(settings):
    (host, port), name = SERVER, connection.settings_dict["NAME"]
    settings.DATABASE_DIRECT_URL = f"postgresql://postgres@{host}:{port}/{name}"
    assert "DATABASE_DIRECT_URL leads past the pooler" in said(doctor(), "database", "ok")
    settings.DATABASE_DIRECT_URL = "postgresql://ann:canary-pass@127.0.0.1:1/docs"
    found = doctor()
    assert "DATABASE_DIRECT_URL cannot be used" in said(found, "database", "failed")
    assert "canary-pass" not in found.text


@pytest.mark.skipif(not configured.REDIS_URL, reason="there is no Redis")
def test_redis_tells_its_version_and_policy():
    assert "version" in said(doctor(), "redis", "ok")
    assert "maxmemory" in said(doctor(), "redis", "ok")


def test_a_redis_that_is_away_is_a_failure_and_its_password_is_not_shown(settings):
    settings.REDIS_URL = "redis://default:password-canary@127.0.0.1:1/0"
    found = doctor()
    assert found.code == 1
    assert "redis://default:***@127.0.0.1:1/0 does not answer" in said(found, "redis", "failed")
    assert "password-canary" not in found.text


# All of them


def test_what_is_configured_wrongly_is_told_with_the_rest(settings):
    settings.FUSION = "sum"
    found = doctor()
    assert found.code == 1
    assert "documents.E003" in said(found, "settings", "failed")


def test_a_provider_that_never_answers_does_not_keep_the_others(cohere, openrouter, monkeypatch):
    monkeypatch.setattr(base, "PATIENCE", 0.5)
    cohere.script(EMBED_MODEL, NEVER)
    started = time.monotonic()
    found = doctor()
    assert time.monotonic() - started < 4
    assert "no answer within" in said(found, "cohere", "failed")
    assert "models vendor/primary" in said(found, "openrouter", "ok")


def test_a_clock_that_is_wrong_is_pointed_out(openrouter):
    late = json_reply({"data": []}).with_headers(date=formatdate(time.time() + 120, usegmt=True))
    openrouter.script(KEY, late)
    openrouter.script(SLUGS, late)
    assert "s behind the clock of 127.0.0.1" in said(doctor(), "clock", "warning")


def test_a_clock_that_is_right_is_well(openrouter):
    assert "within 1 s of 1 server" in said(doctor(), "clock", "ok")


def test_no_secret_is_shown(cohere, openrouter, settings):
    settings.OPENAI_API_KEY = settings.OPENAI_MODEL = "sk-canary-openai"  # pasted twice
    settings.OPENAI_BASE_URL = openrouter.url
    openrouter.key_card = {"label": openrouter.api_key}
    found = doctor()
    assert "does not list ***" in said(found, "openai", "warning")
    for secret in (cohere.api_key, openrouter.api_key, "sk-canary-openai", settings.SECRET_KEY):
        assert secret not in found.text


def test_an_address_is_shown_without_its_password():
    address = "redis://default:pw@cache.example.org:6380/0?password=pw"
    assert base.shown(address) == "redis://default:***@cache.example.org:6380/0"
