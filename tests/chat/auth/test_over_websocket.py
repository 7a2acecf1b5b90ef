"""The websocket takes the same credentials as REST, with the same powers."""

import pytest
from asgiref.sync import sync_to_async

from tests.better_auth.issuer import AUDIENCE, ISSUER, Issuer, Key
from tests.chat.auth.keys import PAGE, corpus, make_key, minted, publishable
from tests.chat.clients import Socket

pytestmark = pytest.mark.django_db(transaction=True)
EVIL = "https://evil.example"


async def told(reader, **credential):
    """What a socket says to a credential; the reader's page is `origin`."""
    async with Socket(origin=reader) as socket:
        await socket.send("authenticate", **credential)
        answer = await socket.receive()
    if answer["type"] == "ready":
        return sorted(corpus["slug"] for corpus in answer["corpora"])
    return answer["code"]


@sync_to_async
def widget(**more):
    corpus("open", public=True)
    _, secret = publishable(corpus("papers"), **more)
    return secret, minted(secret).json()["token"]


@sync_to_async
def backend(**more):
    return make_key(corpus("papers"), **more)[1]


async def test_a_widget_s_visitor_gets_the_corpora_of_its_key():
    _, token = await widget()
    assert await told(PAGE, visitor_token=token) == ["papers"]


async def test_it_is_refused_on_another_page():
    _, token = await widget()
    async with Socket(origin="http://testserver") as socket:
        await socket.send("authenticate", visitor_token=token)
        error = await socket.receive()
        closed = await socket.communicator.receive_output(timeout=5)

    assert (error["code"], error["status"]) == ("origin_not_allowed", 403)
    assert closed == {"type": "websocket.close", "code": 4403}


async def test_a_publishable_key_gets_no_further_than_minting():
    secret, _ = await widget()
    assert await told(PAGE, authorization=f"Api-Key {secret}") == "scope_missing"


@pytest.mark.parametrize(
    ("scopes", "answer"),
    [(["chat"], ["papers"]), (["search"], "scope_missing"), (["ingest"], "scope_missing")],
)
async def test_a_key_needs_the_scope_to_chat(scopes, answer):
    secret = await backend(scopes=scopes)
    assert await told("http://testserver", authorization=f"Api-Key {secret}") == answer


async def test_an_account_of_the_sign_in_server_may_chat(settings):
    settings.BETTER_AUTH_ISSUER, settings.BETTER_AUTH_AUDIENCE = ISSUER, AUDIENCE
    await sync_to_async(corpus)("open", public=True)
    with Issuer(Key("first")) as issuer:
        settings.BETTER_AUTH_URL = issuer.url
        good = await told("http://testserver", authorization=f"Bearer {issuer.token()}")
        late = issuer.token(exp=issuer.claims()["exp"] - 900)
        assert good == ["open"]
        assert await told("http://testserver", authorization=f"Bearer {late}") == "unauthorized"


async def test_a_header_that_comes_twice_is_no_credential():
    secret = await backend()
    async with Socket(origin="http://testserver", authorization=f"Api-Key {secret}") as socket:
        assert socket.ready["type"] == "ready"
    twice = f"Api-Key {secret},Api-Key {secret}"
    async with Socket(origin="http://testserver", authorization=twice) as socket:
        assert socket.ready["code"] == "unauthorized"
