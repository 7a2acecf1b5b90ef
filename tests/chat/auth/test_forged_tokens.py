"""Tokens that nobody should believe: forged, stale, ambiguous, for others. None is accepted."""

import hashlib
import hmac
import json
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from chat.auth.better_auth import BadToken, verified
from chat.models import Account
from documents.models import Corpus
from tests.better_auth.issuer import AUDIENCE, ISSUER, Issuer, Key, encoded

pytestmark = pytest.mark.django_db
CONVERSATIONS = "/api/v1/conversations/"
RSA, ELLIPTIC = Key("rsa", "RS256"), Key("elliptic", "ES256")
FIRST, STRANGER = Key("first"), Key("stranger")


def now():
    return int(time.time())


@pytest.fixture(scope="module")
def issuer():
    with Issuer(FIRST, RSA, ELLIPTIC) as running:
        yield running


@pytest.fixture
def accepting(settings, issuer):
    settings.BETTER_AUTH_URL = issuer.url
    settings.BETTER_AUTH_ISSUER, settings.BETTER_AUTH_AUDIENCE = ISSUER, AUDIENCE
    Corpus.objects.create(slug="open", name="Open", is_public=True)
    return issuer


def answer(client, token):
    return client.get(CONVERSATIONS, headers={"authorization": f"Bearer {token}"})


def good(**other):
    return Issuer(FIRST).token(**other)


def header(**other):
    return {"alg": "EdDSA", "kid": "first", **other}


def tampered(**claims):
    """The signature of a good one, under another text."""
    start, _said, signature = good().split(".")
    return f"{start}.{encoded(Issuer(FIRST).claims(**claims))}.{signature}"


def other_end(token):
    return token[:-6] + ("A" if token[-6] != "A" else "B") + token[-5:]


def unsigned(algorithm):
    return f"{encoded(header(alg=algorithm))}.{encoded(Issuer(FIRST).claims())}."


def with_public_key_as_secret(secret):
    said = f"{encoded(header(alg='HS256'))}.{encoded(Issuer(FIRST).claims())}"
    return f"{said}.{encoded(hmac.new(secret, said.encode(), hashlib.sha256).digest())}"


def public(key, encoding=Encoding.PEM, form=PublicFormat.SubjectPublicKeyInfo):
    return key.private.public_key().public_bytes(encoding, form)


def twice(name, first, second):
    """Of one name, two values: who reads the first and who reads the last differ."""
    said = json.dumps(Issuer(FIRST).claims(**{name: ...}))
    return FIRST.signs(
        f'{{"{name}": {json.dumps(first)}, "{name}": {json.dumps(second)}, {said[1:]}'.encode()
    )


FORGED = {
    # Not signed at all
    "none": lambda: unsigned("none"),
    "None": lambda: unsigned("None"),
    "nOnE": lambda: unsigned("nOnE"),
    "NONE": lambda: unsigned("NONE"),
    "none with a signature": lambda: good(header=header(alg="none")),
    "empty algorithm": lambda: good(header=header(alg="")),
    "no algorithm": lambda: good(header={"kid": "first"}),
    "algorithm is a list": lambda: good(header=header(alg=["EdDSA"])),
    "algorithm in lower case": lambda: good(header=header(alg="eddsa")),
    "signature missing": lambda: good().rpartition(".")[0] + ".",
    "two parts": lambda: good().rpartition(".")[0],
    "four parts": lambda: good() + ".x",
    # Signed with what everybody knows, or by somebody else
    "HS256 with the raw public key": lambda: with_public_key_as_secret(
        public(FIRST, Encoding.Raw, PublicFormat.Raw)),
    "HS256 with the PEM": lambda: with_public_key_as_secret(public(FIRST)),
    "HS256 with the RSA PEM": lambda: with_public_key_as_secret(public(RSA)),
    "HS256 with the JWK": lambda: with_public_key_as_secret(json.dumps(FIRST.public).encode()),
    "HS256 with nothing": lambda: with_public_key_as_secret(b""),
    "a stranger's key under a known id": lambda: Key("first").signs(Issuer(FIRST).claims()),
    "a stranger's key": lambda: STRANGER.signs(Issuer(FIRST).claims()),
    "an algorithm that is not listed": lambda: RSA.signs(Issuer(FIRST).claims()),
    "another that is not listed": lambda: ELLIPTIC.signs(Issuer(FIRST).claims()),
    "an RSA key for EdDSA": lambda: RSA.signs(Issuer(FIRST).claims(), header(kid="rsa")),
    # Headers that bring their own key
    "jwk": lambda: STRANGER.signs(Issuer(FIRST).claims(), header(jwk=STRANGER.public)),
    "jwk beside a good signature": lambda: good(header=header(jwk=STRANGER.public)),
    "jku": lambda: STRANGER.signs(Issuer(FIRST).claims(), header(jku="http://127.0.0.1:1/")),
    "jku beside a good signature": lambda: good(header=header(jku="http://127.0.0.1:1/")),
    "x5u": lambda: good(header=header(x5u="http://127.0.0.1:1/")),
    "x5c": lambda: good(header=header(x5c=["MIIB"])),
    "crit": lambda: good(header=header(crit=["exp"], exp=1)),
    "b64": lambda: good(header=header(b64=False)),
    "zip": lambda: good(header=header(zip="DEF")),
    "kid is a path": lambda: good(header=header(kid="../../../../dev/null")),
    "kid is SQL": lambda: good(header=header(kid="x' UNION SELECT 'secret' --")),
    "kid is an address": lambda: good(header=header(kid="http://127.0.0.1:1/key")),
    "kid is a list": lambda: good(header=header(kid=["first"])),
    "no kid": lambda: good(header={"alg": "EdDSA"}),
    "another type": lambda: good(header=header(typ="dpop+jwt")),
    "an encrypted one's type": lambda: good(header=header(typ="JWE")),
    # For somebody else, or from
    "another issuer": lambda: good(iss="https://evil.example"),
    "issuer with a path": lambda: good(iss=f"{ISSUER}/"),
    "issuers in a list": lambda: good(iss=[ISSUER]),
    "no issuer": lambda: good(iss=...),
    "another audience": lambda: good(aud="another-api"),
    "audience of the server": lambda: good(aud=ISSUER),
    "a part of the audience": lambda: good(aud="rag"),
    "other audiences": lambda: good(aud=["another-api", "rag-api-2"]),
    "no audience": lambda: good(aud=...),
    "audience is null": lambda: good(aud=None),
    # At another time
    "expired": lambda: good(exp=now() - 60, iat=now() - 360),
    "expired for years": lambda: good(exp=1, iat=0),
    "no expiry": lambda: good(exp=...),
    "expiry in words": lambda: good(exp="never"),
    "expiry is null": lambda: good(exp=None),
    "expiry is true": lambda: good(exp=True),
    "expiry in digits of a text": lambda: good(exp=str(now() + 300)),
    "expiry without end": lambda: FIRST.signs(
        json.dumps(Issuer(FIRST).claims(exp=0)).replace('"exp": 0', '"exp": 1e999').encode()),
    "expiry is no number": lambda: FIRST.signs(
        json.dumps(Issuer(FIRST).claims(exp=0)).replace('"exp": 0', '"exp": NaN').encode()),
    "valid for a year": lambda: good(exp=now() + 365 * 86400),
    "issued tomorrow": lambda: good(iat=now() + 86400, exp=now() + 86700),
    "no time of issue": lambda: good(iat=...),
    "not yet": lambda: good(nbf=now() + 600),
    # Of nobody, or two
    "no subject": lambda: good(sub=...),
    "empty subject": lambda: good(sub=""),
    "subject is a number": lambda: good(sub=7),
    "subject with NUL": lambda: good(sub="ada\x00"),
    "subject without end": lambda: good(sub="a" * 300),
    "two subjects": lambda: twice("sub", "ada", "eve"),
    "two expiries": lambda: twice("exp", now() + 300, now() + 301),
    "two audiences": lambda: twice("aud", "another-api", AUDIENCE),
    "two algorithms": lambda: FIRST.signs(Issuer(FIRST).claims(),
        b'{"alg": "none", "kid": "first", "alg": "EdDSA"}'),
    "banned": lambda: good(banned=True),
    # Changed on the way
    "another subject": lambda: tampered(sub="admin"),
    "a later expiry": lambda: tampered(exp=now() + 3000),
    "one letter of the signature": lambda: other_end(good()),
    "a list": lambda: FIRST.signs(b"[]"),
    "no JSON": lambda: FIRST.signs(b"{"),
    "no UTF-8": lambda: FIRST.signs(b"\xff\xfe"),
    "deep": lambda: FIRST.signs(b'{"a":' * 2000 + b"1" + b"}" * 2000),
    "huge": lambda: good(more="x" * 100_000),
    "padding": lambda: good().replace(".", "=.", 1),
    "white space": lambda: good().replace(".", ". ", 1),
    "other letters": lambda: good().replace(".", ".é", 1),
    "dots alone": lambda: "..",
}  # fmt: skip


def test_a_good_one_is_accepted(accepting, client):
    for token in (
        good(), good(aud=["another-api", AUDIENCE]), good(exp=now() - 20, iat=now() - 320),
        good(header=header(typ="JWT")), good(header=header(typ="at+jwt")),
    ):  # fmt: skip
        assert answer(client, token).status_code == 200
    assert Account.objects.get().subject == "ada"


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_one_is_not(accepting, client, name):
    reply = answer(client, FORGED[name]())

    assert (reply.status_code, reply.json()["code"]) == (401, "authentication_failed")
    assert reply["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert not Account.objects.exists()


def test_there_are_more_than_forty():
    assert len(FORGED) >= 40


def test_none_of_them_makes_us_ask_anybody_else(accepting, client):
    for forged in FORGED.values():
        answer(client, forged())
    assert {request.path for request in accepting.requests} == {"/api/auth/jwks"}


@pytest.mark.parametrize("key", [RSA, ELLIPTIC], ids=["RS256", "ES256"])
def test_other_algorithms_are_accepted_when_they_are_listed(accepting, settings, client, key):
    settings.BETTER_AUTH_ALGORITHMS = ["EdDSA", key.algorithm]
    assert answer(client, key.signs(accepting.claims())).status_code == 200
    assert answer(client, with_public_key_as_secret(public(key))).status_code == 401


def test_no_setting_allows_secrets_for_signatures(accepting, settings, client):
    settings.BETTER_AUTH_ALGORITHMS = ["none", "HS256", "EdDSA"]
    assert answer(client, good()).status_code == 200
    for forged in (unsigned("none"), with_public_key_as_secret(public(FIRST))):
        assert answer(client, forged).status_code == 401


def test_nobody_is_asked_about_an_algorithm_that_is_not_listed(settings, client):
    with Issuer(FIRST, RSA) as running:
        settings.BETTER_AUTH_URL = running.url
        for forged in (unsigned("none"), RSA.signs(running.claims()), good(header=header(alg=""))):
            assert answer(client, forged).status_code == 401
        assert running.asked == 0


def test_without_a_server_no_token_is_accepted(client):
    reply = answer(client, good())
    assert (reply.status_code, "sign-in server" in reply.json()["detail"]) == (401, True)


JUNK = st.one_of(
    st.binary(max_size=60).map(encoded),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=9),
        lambda inner: st.dictionaries(st.sampled_from(["alg", "kid", "typ", "x"]), inner),
    ).map(encoded),
)


@examples(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(JUNK, max_size=4).map(".".join)))
def test_whatever_comes_is_refused_in_one_way(junk):
    with pytest.raises(BadToken):
        verified(junk)
