"""When something is tried again, and after how long."""

import random

from ragsite_client.errors import ApiError, ConnectionLost

PASSING = ("rate_limited", "overloaded", "database_unavailable")  # nothing was begun
IN_PROGRESS = "idempotency_in_progress"  # the answer to a lost request is still being written
OF_A_PROXY = (502, 503, 504)  # without a code of ours
FIRST, LONGEST = 0.5, 15.0  # seconds


class Attempts:
    """Of one request, or of one stream, where each event makes them begin anew."""

    def __init__(self, most: int, *, patience: float, answer_seconds: float) -> None:
        self.most, self.patience, self.answer_seconds = most, patience, answer_seconds
        self.failed = 0
        self.waited = 0.0  # for an answer in progress
        self.may_renew = True  # the credential, once

    def begin_anew(self) -> None:
        self.failed, self.may_renew = 0, True

    def after(self, error: ApiError | ConnectionLost) -> float:
        """Seconds to wait before the next attempt; raises the error if there is to be none."""
        if isinstance(error, ApiError):
            if error.code == IN_PROGRESS:
                wait = error.retry_after or 1.0
                self.waited += wait
                if self.waited > self.answer_seconds:
                    raise error
                return wait
            passes = error.code in PASSING or (not error.code and error.status in OF_A_PROXY)
            if not passes or (error.retry_after or 0) > self.patience:
                raise error
        self.failed += 1
        if self.failed >= self.most:
            raise error
        longest = min(LONGEST, FIRST * 2.0 ** (self.failed - 1))
        wait = longest * random.uniform(0.5, 1)  # noqa: S311 - so that not all come at once
        # Never before the time that the server named.
        return max(wait, error.retry_after or 0) if isinstance(error, ApiError) else wait
