"""A sign-in server that signs whatever it is told to, and whose list of keys can fail."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.standins.base import Recorded, Reply, StandIn, json_reply

KEYS = "/api/auth/jwks"
AUDIENCE = "rag-api"
ISSUER = "https://auth.example.org"
PRIVATE = {
    "EdDSA": Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
}


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Key:
    def __init__(self, kid: str, algorithm: str = "EdDSA", private: Any = None) -> None:
        self.kid, self.algorithm = kid, algorithm
        self.private = private or PRIVATE[algorithm]()

    @property
    def public(self) -> dict[str, Any]:
        made = jwt.get_algorithm_by_name(self.algorithm).to_jwk(
            self.private.public_key(), as_dict=True
        )
        return {**made, "alg": self.algorithm, "kid": self.kid}

    def signs(self, payload: bytes | dict[str, Any], header: Any = None) -> str:
        """Whatever stands in it, also what no library would sign."""
        header = {"alg": self.algorithm, "kid": self.kid} if header is None else header
        said = f"{encoded(header)}.{encoded(payload)}"
        signature = jwt.get_algorithm_by_name(self.algorithm).sign(said.encode(), self.private)
        return f"{said}.{encoded(signature)}"


class Issuer(StandIn):
    def __init__(self, *keys: Key) -> None:
        super().__init__()
        self.keys = list(keys) or [Key("first")]

    @property
    def key(self) -> Key:
        return self.keys[-1]

    def respond(self, request: Recorded) -> Reply:
        return json_reply({"keys": [key.public for key in self.keys]})

    def claims(self, **other: Any) -> dict[str, Any]:
        now = int(time.time())
        said = {"sub": "ada", "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 300,
                "email": "ada@example.org", **other}  # fmt: skip
        return {name: value for name, value in said.items() if value is not ...}

    def token(self, *, header: Any = None, key: Key | None = None, **other: Any) -> str:
        """A good one, but for what is said otherwise; `...` leaves a claim out."""
        return (key or self.key).signs(self.claims(**other), header)

    @property
    def asked(self) -> int:
        return len(self.requests_to(KEYS))
