"""What all loggers say, whatever levels the settings give them."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest


@contextmanager
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """DEBUG for every logger there is; `text` of what it yields is all of it."""
    with ExitStack() as stack:
        for name in (None, *logging.root.manager.loggerDict):
            stack.enter_context(caplog.at_level(logging.DEBUG, logger=name))
        yield caplog
