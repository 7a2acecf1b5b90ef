"""Everybody who may knock: each credential there is, good ones and such that are good no more."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Person:
    """What is sent with each request, what may be seen, and what is theirs."""

    name: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    grants: frozenset[str] = frozenset()
    owner: str = ""  # of conversations
    changes: frozenset[str] = frozenset()  # slugs of corpora whose content it may change
    home: dict[str, str] = field(default_factory=dict, repr=False)  # a thing of theirs, by kind
    is_anybody: bool = False  # may become a visitor whom nobody knew before
    reads_everything: bool = False
    public: frozenset[str] = frozenset()  # what anybody may see

    def grants_at(self, path: str) -> frozenset[str]:
        """The interfaces of other clients look at no session: there a browser is anybody's. And a
        page to read is everybody's, whatever else they show."""
        if path.startswith("/read/"):
            return self.grants | self.public
        return self.public if self.is_a_browser_at(path) else self.grants

    def is_a_browser_at(self, path: str) -> bool:
        return "cookie" in self.headers and path.startswith(("/v1/", "/mcp"))


def by_key(secret: str) -> dict[str, str]:
    return {"authorization": f"Api-Key {secret}"}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def by_visitor(token: str, origin: str = "") -> dict[str, str]:
    return {"x-visitor-token": token, **({"origin": origin} if origin else {})}


def by_session(user: Any) -> dict[str, str]:
    """Signed in, as a browser is; with the other half of the token against forged forms."""
    from django.test import Client

    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    token = "c" * 32
    session = client.cookies["sessionid"].value
    return {"cookie": f"sessionid={session}; csrftoken={token}", "x-csrftoken": token}
