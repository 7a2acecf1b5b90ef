"""The REST interface: conversations, answers as JSON, search, and what is refused."""

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import AsyncClient, Client

from chat.context import ON_PAGE, WEIGHTS
from chat.models import ApiKey, Conversation, Message
from chat.views.search import search as search_as_it_is
from documents.index.base import IndexUnavailable
from documents.models import Corpus
from documents.providers import get_index
from documents.threads import in_database_thread
from tests.chat.clients import JSON, ask_json, start_conversation, token_of

LAMP = "How often does the lamp turn?"


def test_an_answer_names_its_section(corpus):
    client = Client()
    conversation = client.post(
        "/api/v1/conversations/", {"corpus": "lighthouse"}, content_type=JSON
    ).json()

    reply = client.post(
        f"/api/v1/conversations/{conversation['id']}/messages/",
        {"question": LAMP},
        content_type=JSON,
        headers=token_of(conversation),
    )

    answer = reply.json()
    assert reply.status_code == 201
    assert (answer["status"], answer["outcome"], answer["extractive"]) == (
        "complete", "answered", True,
    )  # fmt: skip
    assert "twelve seconds" in answer["text"]
    assert answer["citations"][0]["url"] == "https://docs.example.org/guide/lamp#timing"


async def test_messages_are_listed_with_their_citations(corpus):
    client = AsyncClient()
    conversation = await start_conversation(client)
    await ask_json(client, conversation, LAMP)

    url = f"/api/v1/conversations/{conversation['id']}/messages/"
    listed = (await client.get(url, headers=token_of(conversation))).json()["results"]

    assert [message["role"] for message in listed] == ["user", "assistant"]
    assert listed[1]["citations"] and listed[1]["claims"]
    for citation in listed[1]["citations"]:
        assert citation["link"].startswith(f"{citation['url']}:~:text=")


async def test_a_conversation_can_be_renamed_and_deleted_with_everything_in_it(corpus):
    client = AsyncClient()
    conversation = await start_conversation(client)
    await ask_json(client, conversation, LAMP)
    url, headers = f"/api/v1/conversations/{conversation['id']}/", token_of(conversation)

    renamed = await client.patch(url, {"title": "Lamps"}, content_type=JSON, headers=headers)
    gone = await client.delete(url, headers=headers)

    assert (renamed.json()["title"], gone.status_code) == ("Lamps", 200)
    assert gone.json()["messages"] == 2 and gone.json()["citations"] and gone.json()["claims"]
    assert not await Message.objects.aexists()


async def test_the_first_question_becomes_the_title(corpus):
    client = AsyncClient()
    conversation = await start_conversation(client)

    await ask_json(client, conversation, LAMP)

    assert (await Conversation.objects.aget()).title == LAMP


async def test_a_conversation_of_somebody_else_looks_like_a_missing_one(corpus):
    client = AsyncClient()
    theirs = await start_conversation(client)
    mine = await start_conversation(client)
    theirs_with_my_token = {**theirs, "visitor_token": mine["visitor_token"]}

    foreign = await ask_json(client, theirs_with_my_token, LAMP)
    missing = await ask_json(client, {**mine, "id": "00000000-0000-4000-8000-000000000000"}, LAMP)

    assert foreign.status_code == missing.status_code == 404
    assert {**foreign.json(), "request_id": ""} == {**missing.json(), "request_id": ""}


async def test_without_its_token_a_visitor_conversation_is_closed(corpus):
    client = AsyncClient()
    conversation = await start_conversation(client)

    reply = await client.get(f"/api/v1/conversations/{conversation['id']}/")
    listed = await client.get("/api/v1/conversations/")

    assert reply.status_code == 404
    assert listed.json()["results"] == []


@pytest.mark.parametrize(
    ("question", "says"),
    [("", "no words"), ("x" * 100_000, "at most 4,000"), ("🙂", "no words")],
)
async def test_a_bad_question_is_refused_and_nothing_is_saved(corpus, question, says):
    client = AsyncClient()
    conversation = await start_conversation(client)

    reply = await ask_json(client, conversation, question)

    assert reply.status_code == 400
    assert reply["Content-Type"] == "application/problem+json"
    assert says in str(reply.json()["errors"]["question"])
    assert not await Message.objects.aexists()


async def test_an_unknown_or_private_corpus_is_a_404_that_says_so(corpus):
    await Corpus.objects.acreate(slug="private", name="Private")
    client = AsyncClient()

    replies = [
        await client.post("/api/v1/conversations/", {"corpus": slug}, content_type=JSON)
        for slug in ("private", "missing")
    ]

    assert [reply.status_code for reply in replies] == [404, 404]
    assert [reply.json()["code"] for reply in replies] == ["unknown_corpus"] * 2


@pytest.mark.usefixtures("early_in_a_minute")
async def test_too_many_questions_are_refused_with_a_time_to_wait(corpus, settings):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 2
    client = AsyncClient()
    conversation = await start_conversation(client)

    replies = [await ask_json(client, conversation, LAMP) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [201, 201, 429]
    assert replies[2].json()["code"] == "rate_limited"
    assert int(replies[2]["Retry-After"]) >= 1


@pytest.mark.usefixtures("early_in_a_minute")
async def test_a_new_visitor_token_buys_no_new_budget(corpus, settings):
    client = AsyncClient()
    conversations = [await start_conversation(client) for _ in range(2)]
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 1

    replies = [await ask_json(client, conversation, LAMP) for conversation in conversations]

    assert [reply.status_code for reply in replies] == [201, 429]


@pytest.mark.usefixtures("early_in_a_minute")
async def test_conversations_cannot_be_started_without_end(corpus, settings):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 2
    client = AsyncClient()

    replies = [
        await client.post("/api/v1/conversations/", {"corpus": "lighthouse"}, content_type=JSON)
        for _ in range(3)
    ]

    assert [reply.status_code for reply in replies] == [201, 201, 429]
    assert await Conversation.objects.acount() == 2


async def test_messages_are_json_whatever_the_client_accepts(corpus):
    client = AsyncClient()
    conversation = await start_conversation(client)

    reply = await client.get(
        f"/api/v1/conversations/{conversation['id']}/messages/",
        headers={**token_of(conversation), "Accept": "text/event-stream"},
    )

    assert reply.status_code == 406


async def test_an_api_key_reads_its_corpora_and_no_other(corpus):
    private = await Corpus.objects.acreate(slug="private", name="Private")
    key, secret = await in_database_thread(ApiKey.objects.create_key)(name="shop")
    await key.corpora.aadd(private)
    client = AsyncClient()

    allowed = await start_conversation(client, "private", Authorization=f"Api-Key {secret}")
    refused = await client.post(
        "/api/v1/conversations/", {"corpus": "lighthouse"}, content_type=JSON,
        headers={"Authorization": f"Api-Key {secret}"},
    )  # fmt: skip

    assert allowed["corpus"] == "private"
    assert "visitor_token" not in allowed
    assert refused.status_code == 404


@pytest.mark.parametrize("header", ["Api-Key wrong.key", "Bearer x", "Api-Key ", "nonsense"])
async def test_a_wrong_credential_is_never_treated_as_none(corpus, header):
    reply = await AsyncClient().get("/api/v1/conversations/", headers={"Authorization": header})

    assert reply.status_code == 401
    assert reply.json()["code"] == "authentication_failed"


async def test_a_revoked_key_opens_nothing(corpus):
    _, secret = await in_database_thread(ApiKey.objects.create_key)(name="shop", revoked=True)

    reply = await AsyncClient().get(
        "/api/v1/conversations/", headers={"Authorization": f"Api-Key {secret}"}
    )

    assert reply.status_code == 401


def test_a_signed_in_user_needs_the_csrf_token(corpus):
    user = get_user_model().objects.create_user("ana", password="x")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)

    reply = client.post("/api/v1/conversations/", {"corpus": "lighthouse"}, content_type=JSON)

    assert (reply.status_code, "CSRF" in reply.json()["detail"]) == (403, True)


def test_a_users_conversation_is_listed_for_that_user_alone(corpus):
    ana, ben = Client(), Client()
    ana.force_login(get_user_model().objects.create_user("ana"))
    ben.force_login(get_user_model().objects.create_user("ben"))

    ana.post("/api/v1/conversations/", {"corpus": "lighthouse"}, content_type=JSON)

    assert len(ana.get("/api/v1/conversations/").json()["results"]) == 1
    assert ben.get("/api/v1/conversations/").json()["results"] == []


def search(client: Client, **body):
    return client.post("/api/v1/search/", {"corpus": "lighthouse", **body}, content_type=JSON)


def test_search_returns_passages_best_first_and_no_scores(corpus):
    reply = search(Client(), query="restore a backup", top_k=2)

    [first, _second] = reply.json()["passages"]
    assert first["url"] == "https://docs.example.org/operate/backup#restore"
    assert "score" not in first and "similarity" not in first
    assert "lighthouse restore" in first["text"]


def test_a_search_holds_no_connection_but_the_one_that_it_loads_with(corpus, monkeypatch):
    ours, held = connections["default"], []

    async def look(asked, corpus):
        held.append(ours.connection is not None)
        return await search_as_it_is(asked, corpus)

    monkeypatch.setattr("chat.views.search.search", look)
    reply = search(Client(), query="restore a backup")

    assert (reply.status_code, held) == (200, [False])


def test_the_page_that_is_read_weighs_more_in_a_search(corpus, monkeypatch):
    monkeypatch.setitem(WEIGHTS, ON_PAGE, 10.0)  # whatever the scores are
    page = "https://docs.example.org/operate/backup"

    def places(**more):
        reply = search(Client(), query="How often does the lamp turn?", **more).json()
        return [passage["url"].partition("#")[0] for passage in reply["passages"]]

    assert places()[0] != page
    assert places(page=f"{page}?x=1#restore")[0] == page
    assert places(page="https://nowhere.example.org/") == places()


def test_a_search_without_its_index_says_when_to_come_back(corpus, monkeypatch):
    async def away(*args: object, **options: object) -> None:
        raise IndexUnavailable("too much", code="rate_limited", retry_after=29.5)

    monkeypatch.setattr(type(get_index()), "search", away)
    reply = search(Client(), query="lamp")
    assert (reply.status_code, reply.json()["code"]) == (503, "search_unavailable")
    assert reply["Retry-After"] == "30"


def test_search_can_be_narrowed_but_not_widened(corpus):
    narrowed = search(Client(), query="lamp", filters={"sections": ["Colours"]})
    elsewhere = search(Client(), query="lamp", filters={"sources": ["other"]})

    assert {p["heading_path"][-1] for p in narrowed.json()["passages"]} == {"Colours"}
    assert elsewhere.json()["passages"] == []


@pytest.mark.parametrize(
    "body",
    [{"query": ""}, {"query": "x", "top_k": 0}, {"query": "x", "top_k": 51}, {},
     {"query": "x", "filters": {"trust_tiers": ["gospel"]}}, {"query": "x", "filters": "all"}],
)  # fmt: skip
def test_a_bad_search_is_refused(corpus, body):
    reply = search(Client(), **body)

    assert (reply.status_code, reply.json()["code"]) == (400, "invalid")


def test_runs_are_not_for_visitors(corpus):
    client = Client()
    refused = client.get("/api/v1/runs/")
    staff = get_user_model().objects.create_superuser("root")
    client.force_login(staff)

    [run] = client.get("/api/v1/runs/").json()["results"]
    detail = client.get(f"/api/v1/runs/{run['id']}/").json()

    assert refused.status_code == 403
    assert run["status"] == "succeeded"
    assert {item["outcome"] for item in detail["items"]} == {"new"}


def test_json_that_is_none_is_refused(corpus):
    reply = Client().post("/api/v1/search/", "{", content_type=JSON)

    assert (reply.status_code, reply.json()["code"]) == (400, "parse_error")


def test_the_schema_and_its_page_need_no_network(corpus):
    client = Client()

    schema = client.get("/api/v1/schema/?format=json").json()
    page = client.get("/api/v1/schema/swagger/").content.decode()

    assert "/api/v1/search/" in schema["paths"]
    assert "//cdn" not in page and "/static/drf_spectacular_sidecar/" in page
