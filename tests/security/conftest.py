"""The fixture that reads the log of a test as a thief would."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.logs import Logs, text
from tests.security.leaks import Secrets

SERVERS = ("rpc_sessions", "tornado", "asyncio", "root")  # drivers and the clients of the tests log what they send


@pytest.fixture
def no_leaks(logs: Logs, caplog: pytest.LogCaptureFixture) -> Iterator[Secrets]:
    """The secrets of the test. What it logs, whatever the level, holds none of them; errors in it are expected."""
    caplog.set_level(logging.DEBUG)
    secrets = Secrets()
    yield secrets
    lines = [text(record) for record in logs.records if record.name.startswith(SERVERS)]
    logs.take("")
    assert len(lines) > 1
    assert secrets.found(lines) == []
