"""A real Better Auth server: people sign up there, and ask here, over real connections."""

import base64
import json

import httpx
import pytest

from chat.auth import jwks
from chat.models import Account, Conversation
from documents.models import Corpus
from tests.better_auth.server import needs_better_auth, running_better_auth
from tests.live import running_server

pytestmark = [needs_better_auth, pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def better_auth():
    with running_better_auth() as server:
        yield server


@pytest.fixture
def api(better_auth, settings, transactional_db):
    """The real server of ours, which accepts tokens of that one."""
    settings.BETTER_AUTH_URL, settings.BETTER_AUTH_AUDIENCE = better_auth.url, "rag-api"
    Corpus.objects.create(slug="open", name="Open", is_public=True)
    Corpus.objects.create(slug="papers", name="Papers")
    with (
        running_server() as address,
        httpx.Client(base_url=f"{address}/api/v1/", trust_env=False, timeout=30) as client,
    ):
        yield client


@pytest.fixture
def ada(better_auth, request):
    return better_auth.sign_up(f"{abs(hash(request.node.name))}@example.org")


def by(token):
    return {"headers": {"Authorization": f"Bearer {token}"}}


def start(api, token, slug="open"):
    return api.post("conversations/", json={"corpus": slug}, **by(token))


def part(token, number):
    raw = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4)))


def test_whoever_signs_up_there_may_ask_here(api, better_auth, ada):
    token = ada.token()
    assert start(api, token).status_code == 201
    assert start(api, token, "papers").json()["code"] == "unknown_corpus"
    account = Account.objects.get()
    assert (account.issuer, account.subject) == (better_auth.url, part(token, 1)["sub"])
    assert Conversation.objects.get().owner == f"user:{account.user_id}"


def test_every_token_of_a_person_is_the_same_account(api, better_auth, ada):
    for _ in range(2):
        assert start(api, ada.token()).status_code == 201
    assert start(api, better_auth.sign_up("eve@example.org").token()).status_code == 201
    owners = set(Conversation.objects.values_list("owner", flat=True))
    assert owners == {f"user:{account.user_id}" for account in Account.objects.all()}
    assert len(owners) == 2


def test_its_tokens_are_as_we_take_them_to_be(ada):
    token = ada.token()
    assert part(token, 0).keys() == {"alg", "kid"}
    assert part(token, 1).keys() >= {"iss", "aud", "sub", "iat", "exp"}


def test_keys_are_rotated_and_nobody_notices(api, better_auth, ada, caplog):
    old = ada.token()
    assert start(api, old).status_code == 201
    better_auth.rotate()
    new = ada.token()
    assert part(new, 0)["kid"] != part(old, 0)["kid"]
    assert len(better_auth.keys()) >= 2
    assert start(api, new).status_code == 201
    assert start(api, old).status_code == 201  # within the old key's grace


def test_a_key_that_is_gone_signs_nobody_in(api, better_auth, ada, settings):
    old = ada.token()
    assert start(api, old).status_code == 201
    better_auth.forget()
    new = ada.token()
    assert start(api, new).status_code == 201
    jwks._ring.cache_clear()
    assert start(api, old).status_code == 401


OTHERWISE = {
    "for another audience": {"BETTER_AUTH_AUDIENCE": "another-api"},
    "of another issuer": {"BETTER_AUTH_ISSUER": "https://auth.example.org"},
    "in another algorithm": {"BETTER_AUTH_ALGORITHMS": ["ES256"]},
}


@pytest.mark.parametrize("name", OTHERWISE)
def test_a_token_that_is_meant_otherwise_is_refused(api, ada, settings, name):
    for setting, value in OTHERWISE[name].items():
        setattr(settings, setting, value)
    assert start(api, ada.token()).status_code == 401
    assert not Account.objects.exists()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_token_that_was_changed_is_refused(api, ada, number):
    parts = ada.token().split(".")
    said = parts[number]
    parts[number] = said[:-8] + ("A" if said[-8] != "A" else "B") + said[-7:]
    assert start(api, ".".join(parts)).status_code == 401


def test_its_own_session_token_is_none_of_ours(api, better_auth):
    person = better_auth.sign_up("session@example.org")
    cookie = person._client.cookies["better-auth.session_token"]
    for credential in (cookie, cookie.partition(".")[0]):
        assert start(api, credential).status_code == 401


def test_a_suspended_account_is_out_while_its_token_is_still_good(api, ada):
    token = ada.token()
    assert start(api, token).status_code == 201
    user = Account.objects.get().user
    user.is_active = False
    user.save()
    reply = start(api, token)
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
