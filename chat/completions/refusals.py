"""Errors as OpenAI's clients expect them: `{"error": {"message", "type", "param", "code"}}`."""

from typing import Any

from chat.events import Error

# Where their clients know a code of their own; every other one is as in the rest of the API.
CODES = {
    "rate_limited": "rate_limit_exceeded",
    "unknown_corpus": "model_not_found",
    "authentication_failed": "invalid_api_key",
}


class Refusal(Exception):
    """What cannot be answered, and why. `param` names the field of the request that is to blame."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code = status, CODES.get(code, code)
        self.param, self.retry_after = param, retry_after

    @classmethod
    def of(cls, error: Error) -> "Refusal":
        return cls(error.status, error.code, error.detail, retry_after=error.retry_after)

    def as_json(self) -> dict[str, Any]:
        kind = self._type()
        told = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": told}

    def _type(self) -> str:
        if self.status >= 500:
            return "server_error"
        return {403: "permission_error", 429: "rate_limit_error"}.get(
            self.status, "invalid_request_error"
        )
