"""The real server, and the network between it and its clients."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.standins.proxy import FaultProxy


@pytest.fixture
def network(server: str) -> Iterator[FaultProxy]:
    """Clients that go through it lose connections when a test says so."""
    address = urlsplit(server)
    assert address.hostname and address.port
    with FaultProxy(address.hostname, address.port) as proxy:
        yield proxy
