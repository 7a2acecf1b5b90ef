"""A hostile file: the name it bears, how its bytes are made, what must be said of it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    key: str
    content: Callable[[], bytes]
    error: str = ""  # what its reason holds; empty: it may also be parsed
