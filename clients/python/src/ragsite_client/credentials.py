"""Who asks: what goes into the headers of each request."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ragsite_client.plans import Call, Plan, Request, Send
from ragsite_client.shapes import Conversation

AUTHORIZATION = "Authorization"
VISITOR_TOKEN = "X-Visitor-Token"  # noqa: S105 - a name
EARLY = timedelta(seconds=60)  # before its end a token is renewed
LONG_AGO = datetime.fromtimestamp(0, UTC)


class Credential(Protocol):
    def headers(self) -> Plan[dict[str, str]]: ...

    def renewed(self) -> bool:
        """It was refused: whether another attempt would show something else."""

    def learn(self, conversation: Conversation) -> None:
        """What a new conversation came with."""


class Plain:
    """The same at all times."""

    def __init__(self, **headers: str) -> None:
        self._headers = headers

    def headers(self) -> Plan[dict[str, str]]:
        yield from ()
        return self._headers

    def renewed(self) -> bool:
        return False

    def learn(self, conversation: Conversation) -> None:
        pass


class Bearer(Plain):
    """A JSON Web Token that somebody else makes, when it is needed and when it was refused."""

    def __init__(self, token: Callable[[], str | Awaitable[str]]) -> None:
        super().__init__()
        self._token = token

    def headers(self) -> Plan[dict[str, str]]:
        return {AUTHORIZATION: f"Bearer {(yield Call(self._token))}"}

    def renewed(self) -> bool:
        return True


class Visitor(Plain):
    """Nobody in particular. The token of the first conversation is kept, and reads all of them."""

    def __init__(self, token: str = "") -> None:
        super().__init__()
        self.token = token

    def headers(self) -> Plan[dict[str, str]]:
        yield from ()
        return {VISITOR_TOKEN: self.token} if self.token else {}

    def learn(self, conversation: Conversation) -> None:
        self.token = conversation.get("visitor_token") or self.token


class Publishable(Visitor):
    """Visitors of a page, by a key that anybody may see. It makes their tokens and nothing else."""

    def __init__(self, key: str, origin: str, token: str = "") -> None:
        super().__init__(token)
        self.key, self.origin = key, origin
        self._until = LONG_AGO

    def headers(self) -> Plan[dict[str, str]]:
        if datetime.now(UTC) > self._until - EARLY:
            yield from self._mint()
        return {VISITOR_TOKEN: self.token, "Origin": self.origin}

    def renewed(self) -> bool:
        self._until = LONG_AGO
        return True

    def _mint(self) -> Plan[None]:
        # With the old token one stays the same visitor, and keeps the conversations.
        body = {"token": self.token} if self.token else {}
        headers = {AUTHORIZATION: f"Api-Key {self.key}", "Origin": self.origin}
        reply = yield Send(Request("POST", "visitor-tokens/", body, headers=headers))
        if reply.error:
            raise reply.error
        made = reply.json()
        self.token, self._until = made["token"], datetime.fromisoformat(made["expires_at"])


Token = str | Callable[[], str | Awaitable[str]]


def credential_of(
    *,
    api_key: str | None,
    bearer: Token | None,
    visitor_token: str | None,
    publishable_key: str | None,
    origin: str | None,
) -> Credential:
    """At most one of them; a publishable key also takes the token of its last visit."""
    if len([one for one in (api_key, bearer, publishable_key) if one is not None]) > 1:
        raise ValueError("Choose one of api_key, bearer and publishable_key.")
    if publishable_key is not None:
        if origin is None:
            raise ValueError("A publishable key needs the origin of its page, https://….")
        return Publishable(publishable_key, origin, visitor_token or "")
    if visitor_token is not None and (api_key or bearer):
        raise ValueError("A visitor token stands for nobody who has another credential.")
    if api_key is not None:
        return Plain(**{AUTHORIZATION: f"Api-Key {api_key}"})
    if isinstance(bearer, str):
        return Plain(**{AUTHORIZATION: f"Bearer {bearer}"})
    return Bearer(bearer) if bearer is not None else Visitor(visitor_token or "")
