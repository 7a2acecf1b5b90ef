"""The stand-ins refuse what the real services refuse, and fail in the ways that were asked for."""

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest

from tests.chat.samples import new_client
from tests.standins import NEVER, NO_REPLY, RESET, eventually, html_reply, json_reply
from tests.standins import frames as f
from tests.standins.cohere import EMBED, RERANK, vector
from tests.standins.openrouter import CHAT

EMBED_BODY = {
    "model": "embed-v4.0", "texts": ["one"], "input_type": "search_document",
    "embedding_types": ["float"], "output_dimension": 256,
}  # fmt: skip
RERANK_BODY = {"model": "rerank-v3.5", "query": "air", "documents": ["tea", "moist air"]}
CHAT_BODY = {"model": "vendor/primary", "messages": [{"role": "user", "content": "Why?"}]}


@pytest.fixture
async def cohere(cohere_standin) -> AsyncIterator[httpx.AsyncClient]:
    async with new_client() as client:
        client.base_url = cohere_standin.url
        client.headers["authorization"] = f"Bearer {cohere_standin.api_key}"
        yield client


@pytest.fixture
async def openrouter(openrouter_standin) -> AsyncIterator[httpx.AsyncClient]:
    async with new_client() as client:
        client.base_url = openrouter_standin.url
        client.headers["authorization"] = f"Bearer {openrouter_standin.api_key}"
        yield client


# --- Cohere -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"texts": ["x"] * 97}, 400, "total number of texts must be at most 96 - received 97"),
        ({"texts": []}, 400, "at least one of texts"),
        ({"texts": ["a", ""]}, 400, "texts[1]"),
        ({"input_type": None}, 400, "valid input_type must be provided"),
        ({"output_dimension": 300}, 400, "output_dimension 300"),
        ({"model": "embed-english-v3.0"}, 400, "output_dimension"),
        ({"model": "embed-v9"}, 404, "not found"),
        ({"embedding_types": ["double"]}, 400, "embedding type"),
        ({"inputtype": "x"}, 400, "unknown field"),
    ],
)
async def test_cohere_refuses_to_embed(cohere, change, status, message):
    response = await cohere.post(EMBED, json=EMBED_BODY | change)
    assert response.status_code == status
    assert message in response.json()["message"]
    assert response.headers["x-debug-trace-id"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"documents": []}, "list of documents must not be empty"),
        ({"documents": [{"text": "a"}]}, "strings"),
        ({"top_n": 0}, "top_n"),
        ({"query": " "}, "query"),
        ({"return_documents": True}, "unknown field"),
    ],
)
async def test_cohere_refuses_to_rerank(cohere, change, message):
    response = await cohere.post(RERANK, json=RERANK_BODY | change)
    assert response.status_code == 400
    assert message in response.json()["message"]


@pytest.mark.parametrize(
    ("headers", "message"),
    [({}, "no api key supplied"), ({"authorization": "Bearer no"}, "invalid api token")],
)
async def test_cohere_wants_its_key(cohere_standin, headers, message):
    async with new_client() as client:
        url = cohere_standin.url + EMBED
        response = await client.post(url, json=EMBED_BODY, headers=headers)
    assert (response.status_code, response.json()["message"]) == (401, message)


async def test_cohere_embeds_in_every_type(cohere):
    kinds = {"float": 256, "int8": 256, "uint8": 256, "binary": 32, "ubinary": 32}
    asked = EMBED_BODY | {"embedding_types": [*kinds, "base64"]}
    found = (await cohere.post(EMBED, json=asked)).json()["embeddings"]
    assert {kind: len(found[kind][0]) for kind in kinds} == kinds
    assert isinstance(found["base64"][0], str)
    assert min(found["int8"][0]) >= -128
    assert 0 <= min(found["uint8"][0]) <= max(found["uint8"][0]) <= 255


@pytest.mark.parametrize("dimension", [256, 1024, 1536])
def test_like_texts_have_like_vectors(dimension):
    def of(text, kind="search_document"):
        return vector(text, dimension, kind)

    asked = of("why do perovskites degrade in air", "search_query")
    same = asked @ of("why do perovskites degrade in air")
    near = asked @ of("perovskites degrade in moist air")
    far = asked @ of("bread is baked in an oven")
    assert 0.8 < same < 0.9999
    assert same > near > far + 0.2
    assert np.linalg.norm(asked) == pytest.approx(1)


async def test_cohere_reranks_by_common_words(cohere):
    body = (await cohere.post(RERANK, json=RERANK_BODY | {"top_n": 1})).json()
    assert [result["index"] for result in body["results"]] == [1]
    assert body["meta"]["billed_units"] == {"search_units": 1}


async def test_a_trial_key_counts_down_and_stops(cohere_trial_standin):
    standin = cohere_trial_standin
    headers = {"authorization": f"Bearer {standin.api_key}"}
    async with new_client() as client:
        client.headers.update(headers)
        client.base_url = standin.url
        replies = [await client.post(RERANK, json=RERANK_BODY) for _ in range(11)]
        assert [reply.status_code for reply in replies] == [200] * 10 + [429]
        assert "10 API calls / minute" in replies[-1].json()["message"]
        assert replies[0].headers["x-trial-endpoint-call-remaining"] == "999"
        standin.calls = 1000
        last = await client.post(EMBED, json=EMBED_BODY)
    assert last.status_code == 429
    assert "1000 API calls / month" in last.json()["message"]


async def test_inputs_a_minute_are_counted(cohere_standin, cohere):
    cohere_standin.inputs_a_minute = 100
    big = EMBED_BODY | {"texts": ["x"] * 60}
    statuses = [(await cohere.post(EMBED, json=big)).status_code for _ in range(2)]
    assert statuses == [200, 429]


# --- OpenRouter -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": list("abcd")}, "'models' array must have 3 items or fewer."),
        ({"model": "vendor/none"}, "vendor/none is not a valid model ID"),
        ({"model": None}, "No models provided"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "Invalid message"),
        ({"provider": {"sortt": "price"}}, "'sortt'"),
        ({"max_token": 5}, "'max_token'"),
    ],
)
async def test_openrouter_refuses(openrouter, change, message):
    response = await openrouter.post("/chat/completions", json=CHAT_BODY | change)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


async def test_openrouter_wants_its_key(openrouter):
    response = await openrouter.post(
        "/chat/completions", json=CHAT_BODY, headers={"authorization": "Bearer no"}
    )
    assert response.json()["error"]["code"] == response.status_code == 401


async def test_openrouter_answers_without_a_stream(openrouter_standin, openrouter):
    openrouter_standin.answer = lambda body: body["messages"][-1]["content"] * 2
    body = (await openrouter.post("/chat/completions", json=CHAT_BODY)).json()
    assert body["choices"][0]["message"]["content"] == "Why?Why?"
    assert body["usage"]["cost"] > 0


async def test_openrouter_streams_with_comments_and_a_usage_that_repeats_the_finish(openrouter):
    response = await openrouter.post("/chat/completions", json=CHAT_BODY | {"stream": True})
    lines = [line for line in response.text.split("\n") if line]
    assert lines[0] == ": OPENROUTER PROCESSING"
    assert lines[-1] == "data: [DONE]"
    events = [json.loads(line[6:]) for line in lines[1:-1]]
    reasons = [event["choices"][0]["finish_reason"] for event in events]
    assert reasons[-3:] == [None, "stop", "stop"]
    assert "usage" in events[-1]


async def test_openrouter_falls_back_along_the_list(openrouter_standin, openrouter):
    openrouter_standin.failing = {"vendor/primary": f.error(502), "vendor/third": f.error(429)}
    asked = CHAT_BODY | {"models": ["vendor/primary", "vendor/second"]}
    body = (await openrouter.post("/chat/completions", json=asked)).json()
    assert body["model"] == "vendor/second"
    asked = CHAT_BODY | {"models": ["vendor/primary", "vendor/third"]}
    assert (await openrouter.post("/chat/completions", json=asked)).status_code == 429


async def test_openrouter_lists_models_and_tells_about_the_key(openrouter):
    models = (await openrouter.get("/models", headers={"authorization": ""})).json()["data"]
    assert "vendor/primary" in {card["id"] for card in models}
    key = (await openrouter.get("/key")).json()["data"]
    assert key["free_model_daily_requests"]["remaining"] == 50


def test_the_daily_limit_is_told_in_milliseconds():
    reset = int(f.free_daily_limit(60).headers["X-RateLimit-Reset"])
    assert reset / 1000 == pytest.approx(time.time() + 60, abs=5)


# --- The server under both --------------------------------------------------------------------


async def test_requests_are_recorded_as_they_came(openrouter_standin, openrouter):
    await openrouter.post("/chat/completions", json=CHAT_BODY, headers={"X-Title": "T"})
    (request,) = openrouter_standin.chats()
    assert (request.method, request.path, request.json) == ("POST", CHAT, CHAT_BODY)
    assert request.headers["x-title"] == "T"
    await eventually(lambda: request.completed_at)
    assert request.completed_at >= request.arrived_at
    assert request.disconnected_at is None


async def test_scenarios_are_used_up_in_order(cohere_standin, cohere):
    cohere_standin.script(EMBED, html_reply(503), json_reply({}, 418))
    statuses = [(await cohere.post(EMBED, json=EMBED_BODY)).status_code for _ in range(3)]
    assert statuses == [503, 418, 200]


async def test_a_keep_alive_connection_is_used_again(cohere_standin, cohere):
    for _ in range(3):
        await cohere.post(EMBED, json=EMBED_BODY)
    assert (cohere_standin.accepted, cohere_standin.open_connections) == (1, 1)
    assert all(request.disconnected_at is None for request in cohere_standin.requests)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (NO_REPLY, httpx.RemoteProtocolError),
        (RESET, httpx.ReadError),
        (NEVER, httpx.ReadTimeout),
        (json_reply({"a": "long body"}).cut_after(5), httpx.RemoteProtocolError),
        (f.stream(f.comment(), f.CUT), httpx.RemoteProtocolError),
        (f.stream(f.comment(), 0.05, f.RESET_NOW), httpx.RemoteProtocolError),
        (f.stream(f.comment(), f.STALL), httpx.ReadTimeout),
        (json_reply({}).after(5.0), httpx.ReadTimeout),
    ],
)
async def test_faults_are_seen_by_the_client(openrouter_standin, openrouter, reply, error):
    openrouter_standin.next_chat(reply)
    with pytest.raises(error):
        await openrouter.post("/chat/completions", json=CHAT_BODY, timeout=0.3)


async def test_a_client_that_leaves_early_is_noticed(openrouter_standin, openrouter):
    openrouter_standin.next_chat(f.stream(f.comment(), f.STALL))
    async with openrouter.stream("POST", "/chat/completions", json=CHAT_BODY) as response:
        await anext(response.aiter_raw())
    (request,) = openrouter_standin.chats()
    await eventually(lambda: request.disconnected_at)
    assert request.completed_at is None


async def test_a_compressed_reply(openrouter_standin, openrouter):
    openrouter_standin.next_chat(json_reply({"a": 1}).gzipped())
    response = await openrouter.post("/chat/completions", json=CHAT_BODY)
    assert response.json() == {"a": 1}


def test_run_by_hand_they_print_what_to_set():
    process = subprocess.Popen([sys.executable, "-m", "tests.standins"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in range(5)]
        settings = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        models = httpx.get(settings["OPENROUTER_BASE_URL"] + "/models", trust_env=False)
        assert models.status_code == 200
        assert settings["COHERE_BASE_URL"].startswith("http://127.0.0.1:")
    finally:
        process.terminate()
        process.communicate(timeout=10)
