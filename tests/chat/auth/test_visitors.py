"""Visitor tokens: made with a publishable key, for its pages and corpora, while it is good."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core import signing
from django.test import Client

from chat.auth import visitors
from chat.auth.authentication import principal_for
from chat.limits import TooManyQuestions, admit
from chat.models import ApiKey, Conversation
from documents.powers import Power
from tests.chat.auth.keys import (
    JSON,
    PAGE,
    TOKENS,
    ago,
    by_key,
    by_visitor,
    corpus,
    make_key,
    minted,
    problem,
    publishable,
)  # fmt: skip

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
CONVERSATIONS = "/api/v1/conversations/"
EVIL = "https://evil.example"


@pytest.fixture
def papers():
    return corpus()


@pytest.fixture
def key(papers):
    return publishable(papers)


@pytest.fixture
def token(key):
    return minted(key[1]).json()["token"]


def start(token, slug="papers", **headers):
    return Client().post(
        CONVERSATIONS, {"corpus": slug}, content_type=JSON,
        headers={**by_visitor(token), **headers},
    )  # fmt: skip


def principal(token, origin=PAGE):
    return principal_for(headers=by_visitor(token, origin), user=None, address="192.0.2.1")


# Minting


def test_a_page_makes_a_token_and_asks_with_it(key, papers):
    reply = minted(key[1])

    body = reply.json()
    assert (reply.status_code, body["corpora"], body["renewed"]) == (201, ["papers"], False)
    lasts = datetime.fromisoformat(body["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < lasts <= timedelta(minutes=15)
    assert start(body["token"]).status_code == 201
    assert Conversation.objects.get().owner.startswith("visitor:")


def test_a_token_says_what_its_key_says(key, papers, token):
    found = principal(token)
    assert (found.kind, found.key, found.corpora) == ("visitor", key[0].prefix, {papers.pk})
    assert (found.scopes, found.origins) == ({Power.CHAT, Power.SEARCH}, {PAGE})
    assert found.expires_at - datetime.now(UTC) <= timedelta(minutes=15)
    assert found.limit_key == "address:192.0.2.1"


@pytest.mark.parametrize("origin", ["", EVIL, "null", "https://docs.example.org.evil.example"])
def test_no_other_page_makes_tokens_with_the_key(key, origin):
    assert problem(minted(key[1], origin=origin)) == (403, "origin_not_allowed")


def test_a_publishable_key_does_nothing_else(key, papers):
    corpus("open", public=True)
    headers = by_key(key[1], origin=PAGE)
    client = Client(headers=headers)
    refused = [
        client.get(CONVERSATIONS), client.get("/api/v1/documents/"), client.get("/api/v1/runs/"),
        client.post(CONVERSATIONS, {"corpus": "papers"}, content_type=JSON),
        client.post("/api/v1/search/", {"corpus": "open", "query": "x"}, content_type=JSON),
        client.post("/api/v1/documents/", {}), client.get("/api/v1/sources/"),
    ]  # fmt: skip
    assert [problem(answer) for answer in refused] == [(403, "scope_missing")] * len(refused)


def test_nobody_else_makes_tokens(token):
    _, secret = make_key(origins=PAGE)
    for headers in ({"origin": PAGE}, by_key(secret, origin=PAGE), by_visitor(token)):
        answer = Client().post(TOKENS, {}, content_type=JSON, headers=headers)
        assert problem(answer) == (403, "scope_missing"), headers


@pytest.mark.parametrize(
    "change",
    [{"revoked": True}, {"suspended": True}, {"expiry_date": ago(seconds=1)}],
    ids=["revoked", "suspended", "expired"],
)
def test_a_key_that_is_over_makes_none(key, change):
    ApiKey.objects.update(**change)
    assert minted(key[1]).status_code == 401


def test_a_page_may_ask_for_less_and_not_for_more(key, papers):
    books = corpus("books")
    key[0].corpora.add(books)
    corpus("foreign", public=True)

    fewer = minted(key[1], {"corpora": ["books"]})
    foreign = minted(key[1], {"corpora": ["books", "foreign"]})
    missing = minted(key[1], {"corpora": ["nowhere"]})

    assert principal(fewer.json()["token"]).corpora == {books.pk}
    assert problem(foreign) == problem(missing) == (404, "unknown_corpus")


@pytest.mark.usefixtures("early_in_a_minute")
def test_one_address_makes_only_so_many(key, settings):
    settings.ANONYMOUS_QUESTIONS_PER_MINUTE = 3
    answers = [minted(key[1]).status_code for _ in range(4)]
    assert answers == [201, 201, 201, 429]


# Using


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"origin": PAGE}, 200), ({"origin": EVIL}, 403), ({"origin": "null"}, 403), ({}, 403),
     ({"sec-fetch-site": "same-origin"}, 200), ({"sec-fetch-site": "cross-site"}, 403),
     ({"sec-fetch-site": "same-origin", "origin": EVIL}, 403)],
)  # fmt: skip
def test_a_token_is_for_the_page_that_made_it(token, client, headers, status):
    answer = client.get(CONVERSATIONS, headers={"x-visitor-token": token, **headers})
    assert answer.status_code == status


@pytest.mark.parametrize(
    "change",
    [{"revoked": True}, {"suspended": True}, {"expiry_date": ago(seconds=1)}, {"kind": "secret"}],
    ids=["revoked", "suspended", "expired", "not publishable"],
)
def test_a_token_ends_with_its_key(token, client, change):
    assert client.get(CONVERSATIONS, headers=by_visitor(token)).status_code == 200
    ApiKey.objects.update(**change)
    assert client.get(CONVERSATIONS, headers=by_visitor(token)).status_code == 401


def test_a_token_ends_when_its_key_is_deleted(token, client):
    ApiKey.objects.all().delete()
    assert client.get(CONVERSATIONS, headers=by_visitor(token)).status_code == 401


def test_a_page_that_the_key_does_not_name_any_more_is_locked_out(token, client):
    ApiKey.objects.update(origins="https://other.example")
    assert client.get(CONVERSATIONS, headers=by_visitor(token)).status_code == 403


def test_a_token_loses_what_its_key_loses(key, token, papers):
    ApiKey.objects.update(scopes=["search"])
    key[0].corpora.clear()
    assert (principal(token).scopes, principal(token).corpora) == ({Power.SEARCH}, frozenset())


def test_a_token_reaches_no_other_corpus(token):
    corpus("open", public=True)
    assert problem(start(token, "open")) == (404, "unknown_corpus")


def test_an_expired_token_is_refused(key, client, settings):
    settings.VISITOR_TOKEN_MINUTES = -1
    answer = client.get(CONVERSATIONS, headers=by_visitor(minted(key[1]).json()["token"]))
    assert answer.status_code == 401


def test_tokens_of_the_two_kinds_cannot_be_made_of_each_other(token, client):
    said = signing.loads(token, salt=visitors.SALT_OF_KEYS)
    forged = [
        signing.dumps(said, salt=visitors.SALT), signing.dumps(said, salt="django.core.signing"),
        signing.dumps(said[0], salt=visitors.SALT_OF_KEYS), token.swapcase(),
        visitors.new_token() + token, token.partition(":")[0] + ":" + visitors.new_token(),
    ]  # fmt: skip
    for one in forged:
        assert client.get(CONVERSATIONS, headers=by_visitor(one)).status_code == 401, one
    assert visitors.minted(visitors.new_token()) is None
    assert visitors.visitor_id(token) is None


def test_a_token_holds_nothing_of_the_key(key, token):
    assert key[1].partition(".")[2] not in token
    assert key[0].hashed_key.rpartition("$")[2][:10] not in token


@committed
@pytest.mark.usefixtures("early_in_a_minute")
async def test_all_readers_of_a_widget_share_the_budgets_of_its_key(settings):
    from asgiref.sync import sync_to_async

    settings.RATE_PLANS, settings.ANONYMOUS_QUESTIONS_PER_MINUTE = {"small": (3, 2)}, 2
    _, secret = await sync_to_async(publishable)(plan="small", questions_a_day=3)

    def reader(address):
        token = minted(secret).json()["token"]
        return principal_for(headers=by_visitor(token), user=None, address=address)

    ana, ben = [await sync_to_async(reader)(f"192.0.2.{number}") for number in (1, 2)]
    for who in (ana, ana, ben):
        await admit(who)
    with pytest.raises(TooManyQuestions):  # of her own minute
        await admit(ana)
    with pytest.raises(TooManyQuestions):  # of the key's
        await admit(ben)


# Renewing


def test_a_renewed_token_is_of_the_same_visitor(key, token):
    conversation = start(token).json()["id"]
    reply = minted(key[1], {"token": token}).json()
    answer = Client().get(f"{CONVERSATIONS}{conversation}/", headers=by_visitor(reply["token"]))
    assert (reply["renewed"], answer.status_code) == (True, 200)


def test_a_token_that_expired_lately_still_says_who_it_was(key, settings):
    settings.VISITOR_TOKEN_MINUTES = -60
    late = minted(key[1]).json()["token"]
    settings.VISITOR_TOKEN_MINUTES = -25 * 60
    too_late = minted(key[1]).json()["token"]
    settings.VISITOR_TOKEN_MINUTES = 15
    assert minted(key[1], {"token": late}).json()["renewed"] is True
    assert minted(key[1], {"token": too_late}).json()["renewed"] is False


def test_only_its_own_key_and_page_renew_a_token(papers, key, token):
    ApiKey.objects.update(origins=f"{PAGE}\n{EVIL}")
    _, other = publishable(papers, origins=PAGE)
    renewed = [
        minted(other, {"token": token}), minted(key[1], {"token": token}, origin=EVIL),
        minted(key[1], {"token": visitors.new_token()}), minted(key[1], {"token": "x"}),
    ]  # fmt: skip
    assert [(reply.status_code, reply.json()["renewed"]) for reply in renewed] == [(201, False)] * 4


def test_visitors_without_a_key_are_as_before(client):
    corpus("open", public=True)
    conversation = client.post(CONVERSATIONS, {"corpus": "open"}, content_type=JSON).json()
    mine = {"x-visitor-token": conversation["visitor_token"]}
    assert client.get(f"{CONVERSATIONS}{conversation['id']}/", headers=mine).status_code == 200
    assert client.get(f"{CONVERSATIONS}{conversation['id']}/").status_code == 404
