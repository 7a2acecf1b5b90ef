"""The keys of the sign-in server: kept, asked for again within limits, and never from elsewhere."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from django.core import signing
from django.core.cache import cache

from chat.auth import jwks
from chat.auth.jwks import FRESH, STALE, KeyRing, KeysUnavailable
from documents.models import Corpus
from tests.better_auth.issuer import AUDIENCE, ISSUER, KEYS, Issuer, Key
from tests.standins.base import EMPTY_200, NO_REPLY, RESET, Reply, html_reply, json_reply

EDDSA = ("EdDSA",)


@pytest.fixture
def issuer():
    with Issuer() as running:
        yield running


@pytest.fixture
def clock(monkeypatch):
    """Moved by hand; by what `ring` and the cache go by."""

    class Clock:
        now = time.time()

        def __call__(self):
            return self.now

        def passes(self, seconds):
            self.now += seconds
            cache.delete_many([name for name in self.gates() if name])

        def gates(self):
            return [f"jwks-asked:{ring._name}" for ring in self.rings]

        rings: list[KeyRing] = []

    clock = Clock()
    monkeypatch.setattr(jwks, "time", clock)
    monkeypatch.setattr(jwks, "monotonic", clock)
    return clock


@pytest.fixture
def ring(issuer, clock):
    return process(issuer, clock)


def process(issuer, clock):
    """What another process would have."""
    made = KeyRing(f"{issuer.url}{KEYS}", EDDSA)
    clock.rings = [*clock.rings, made]
    return made


def has(ring, kid="first"):
    return ring.key(kid, "EdDSA") is not None


# Kept


def test_they_are_asked_for_once_in_five_minutes(ring, issuer, clock):
    assert all(has(ring) for _ in range(10))
    assert issuer.asked == 1
    clock.passes(FRESH - 1)
    assert (has(ring), issuer.asked) == (True, 1)
    clock.passes(2)
    assert (has(ring), issuer.asked) == (True, 2)


def test_processes_share_them(ring, issuer, clock):
    other = process(issuer, clock)
    assert has(ring) and has(other)
    assert issuer.asked == 1


def test_many_at_once_make_one_call(ring, issuer):
    issuer.script(KEYS, json_reply({"keys": [issuer.key.public]}).after(0.3))
    with ThreadPoolExecutor(10) as pool:
        assert all(pool.map(lambda _: has(ring), range(10)))
    assert issuer.asked == 1


def test_while_they_are_fetched_again_nobody_waits(ring, issuer, clock):
    has(ring)
    clock.passes(FRESH + 1)
    issuer.script(KEYS, json_reply({"keys": [issuer.key.public]}).after(0.6))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(has, ring)
        time.sleep(0.2)
        began = time.monotonic()
        assert has(ring)
        assert time.monotonic() - began < 0.2
        assert slow.result()


TROUBLES = {
    "503": html_reply(503),
    "HTML": html_reply(200),
    "a redirect": Reply(302, {"location": "http://127.0.0.1:1/jwks"}),
    "a redirect to itself": Reply(301, {"location": KEYS}),
    "nothing": EMPTY_200,
    "no reply": NO_REPLY,
    "a reset": RESET,
    "a list": json_reply([]),
    "no list of keys": json_reply({"keys": {}}),
    "an empty list": json_reply({"keys": []}),
    "keys that are none": json_reply({"keys": [1, "x", None, {}, {"kid": "first"}]}),
    "a cut body": json_reply({"keys": [Key("first").public]}).cut_after(20),
    "its keys with an error": json_reply({"keys": [Key("second").public]}, 503),
    "its keys with a redirect": json_reply({"keys": [Key("second").public]}, 302, location="/x"),
    "too long a list": json_reply({"keys": [Key("second").public], "more": "x" * 200_000}),
    "a body without end": Reply(chunks=(b" " * 60_000,) * 4, streamed=True),
    "a depth without end": Reply(chunks=(b"[" * 90_000,)),
    "a zipped body": json_reply({"keys": [Key("first").public]}).gzipped(),
}


@pytest.mark.parametrize("name", TROUBLES)
def test_whatever_it_says_instead_the_last_ones_stay(ring, issuer, clock, name):
    assert has(ring)
    issuer.script(KEYS, *[TROUBLES[name]] * 9)
    for _ in range(3):
        clock.passes(FRESH + 1)
        assert has(ring) and not has(ring, "second")
    assert issuer.asked == 4


@pytest.mark.parametrize("name", TROUBLES)
def test_with_none_at_all_it_says_that_it_cannot_tell(ring, issuer, name):
    issuer.script(KEYS, *[TROUBLES[name]] * 9)
    for _ in range(5):
        with pytest.raises(KeysUnavailable):
            ring.key("first", "EdDSA")
    assert issuer.asked == 1  # and it is left alone for a while


def test_after_a_day_they_are_not_believed_any_more(ring, issuer, clock):
    assert has(ring)
    issuer.script(KEYS, *[html_reply(503)] * 9)
    clock.passes(STALE - 60)
    assert has(ring)
    clock.passes(120)
    with pytest.raises(KeysUnavailable):
        has(ring)


def test_when_it_is_back_it_is_asked_again(ring, issuer, clock, caplog):
    issuer.script(KEYS, html_reply(503))
    with pytest.raises(KeysUnavailable):
        has(ring)
    clock.passes(jwks.PAUSE + 1)
    assert has(ring)
    assert [caplog.text.count(said) for said in ("is away", "is back")] == [1, 1]


# Rotation


def test_a_new_key_is_found_at_once_and_the_old_one_still_counts(ring, issuer):
    assert has(ring)
    issuer.keys.append(Key("second"))
    assert has(ring, "second") and has(ring)
    assert issuer.asked == 2


def test_a_key_that_was_taken_back_is_gone_after_five_minutes(ring, issuer, clock):
    assert has(ring)
    issuer.keys = [Key("second")]
    clock.passes(FRESH + 1)
    assert not has(ring) and has(ring, "second")


def test_a_flood_of_unknown_keys_asks_once_in_half_a_minute(ring, issuer, clock):
    other = process(issuer, clock)
    assert has(ring)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: has(ring if n % 2 else other, f"made-up-{n}"), range(300))
        assert not any(found)
    assert issuer.asked == 2
    clock.passes(31)
    assert not has(ring, "made-up") and not has(other, "made-up-too")
    assert issuer.asked == 3


def test_a_flood_keeps_no_new_key_from_other_processes(ring, issuer, clock):
    other = process(issuer, clock)
    assert has(ring) and has(other)
    clock.now += 1
    issuer.keys.append(Key("second"))
    assert has(ring, "second")
    assert has(other, "second")  # found by the first one
    assert issuer.asked == 2


# Which keys


def spoilt(**other):
    return {**Key("first").public, **other}


@pytest.mark.parametrize(
    "key",
    [spoilt(kty="oct", k="c2VjcmV0"), spoilt(crv="X25519"), spoilt(crv="Ed448"),
     spoilt(alg="HS256"), spoilt(use="enc"), spoilt(kid=7), spoilt(kid=None), spoilt(x="AAAA"),
     spoilt(x=None), spoilt(d="c2VjcmV0"), Key("first", private=Ed448PrivateKey.generate()).public,
     {"kty": "oct", "kid": "first", "k": "c2VjcmV0", "alg": "EdDSA"}],
)  # fmt: skip
def test_what_is_no_public_key_for_the_algorithm_is_left_out(ring, issuer, key):
    issuer.script(KEYS, json_reply({"keys": [key, Key("second").public]}))
    assert has(ring, "second")
    assert "first" not in {kid for kid, _ in ring._keys.usable}


def test_short_rsa_keys_are_left_out(issuer):
    short = Key("first", "RS256", rsa.generate_private_key(65537, 1024))
    issuer.keys = [short, Key("second", "RS256")]
    ring = KeyRing(f"{issuer.url}{KEYS}", ("RS256",))
    assert ring.key("second", "RS256") and not ring.key("first", "RS256")


def test_who_can_write_into_the_cache_cannot_add_a_key(ring, issuer):
    mine = [time.time(), [Key("mine").public]]
    for planted in (json.dumps(mine), mine, signing.dumps(mine, salt="another")):
        cache.set(f"jwks:{ring._name}", planted)
        assert not has(ring, "mine")
    assert has(ring)


# What a caller sees


@pytest.fixture
def accepting(settings, issuer, db):
    settings.BETTER_AUTH_URL = issuer.url
    settings.BETTER_AUTH_ISSUER, settings.BETTER_AUTH_AUDIENCE = ISSUER, AUDIENCE
    Corpus.objects.create(slug="open", name="Open", is_public=True)
    return issuer


def ask(client, token):
    return client.get("/api/v1/conversations/", headers={"authorization": f"Bearer {token}"})


def test_nobody_is_signed_out_because_the_keys_cannot_be_had(accepting, client):
    accepting.script(KEYS, *[NO_REPLY] * 9)
    reply = ask(client, accepting.token())
    assert (reply.status_code, reply.json()["code"]) == (503, "sign_in_unavailable")
    assert int(reply["Retry-After"]) >= 1 and "WWW-Authenticate" not in reply


def test_the_keys_may_be_at_another_address(accepting, client, settings):
    settings.BETTER_AUTH_JWKS_URL = f"{accepting.url}/keys.json"
    assert ask(client, accepting.token()).status_code == 200
    assert [request.path for request in accepting.requests] == ["/keys.json"]
    assert accepting.requests[0].headers.get("authorization") is None
