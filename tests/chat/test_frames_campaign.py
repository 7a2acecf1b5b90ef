"""The campaign of bad frames: the same for a seed, and what is not described does not pass."""

import json

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from tests.campaigns.frames import Spoiler, Trial


class Server:
    """A socket whose other end says this, and then closes."""

    def __init__(self, *told: dict, code: int = 1000) -> None:
        self.told, self.code = [json.dumps(frame) for frame in told], code

    async def send(self, frame, text=None) -> None:
        pass

    async def recv(self) -> str:
        if not self.told:
            raise ConnectionClosedError(Close(self.code, ""), None)
        return self.told.pop(0)


PONG = {"v": 1, "seq": 2, "id": "is it alive", "type": "pong"}
ERROR = {"v": 1, "seq": 1, "id": "a", "type": "error", "code": "not_json", "detail": "No.",
         "status": 400, "retry_after": None, "message_id": None}  # fmt: skip


async def violations(*told: dict, code: int = 4401, way: str = "cut") -> list[str]:
    trial = Trial("ws://nowhere", 1, 1)
    await trial.one(Server(*told, code=code), way, "{")
    return trial.violations


def test_frames_are_the_same_for_a_seed():
    one, same, other = (Spoiler(seed) for seed in (7, 7, 8))

    first = [one.frame() for _ in range(900)]

    assert first == [same.frame() for _ in range(900)]
    assert first != [other.frame() for _ in range(900)]
    assert len({way for way, _frame in first}) == 13


@pytest.mark.parametrize("told", [[ERROR, PONG], [PONG], [ERROR]])
async def test_what_is_described_passes(told):
    assert await violations(*told) == []


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([{**ERROR, "surprise": 1}, PONG], "not as described"),
        ([{"v": 1, "seq": 1, "id": "a", "type": "dance"}, PONG], "not as described"),
        ([{**ERROR, "code": "internal", "status": 500}, PONG], "an error of ours"),
    ],
)
async def test_what_is_not_is_noticed(told, found):
    assert found in (await violations(*told))[0]


async def test_a_code_of_closing_that_is_not_documented_is_noticed():
    assert "closed with 1011" in (await violations(code=1011))[0]


async def test_a_surprise_that_is_taken_is_noticed():
    assert "taken as it is" in (await violations(PONG, way="with_a_surprise"))[0]
