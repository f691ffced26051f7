"""What the server logs in a test: an error that the test did not ask for fails it."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest


class Logs:
    """The log of one test."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self._expected: list[logging.LogRecord] = []

    def take(self, pattern: str) -> list[logging.LogRecord]:
        """The records until now whose text, or traceback, holds a match: they are expected. There is at least one."""
        found = [record for record in self.records if re.search(pattern, text(record))]
        assert found, f"nothing in the log matches {pattern!r}:\n{self}"
        self._expected += found
        return found

    @property
    def records(self) -> list[logging.LogRecord]:
        return self._caplog.get_records("call")

    @property
    def unexpected(self) -> list[logging.LogRecord]:
        """The errors nobody has taken."""
        return [record for record in self.records if record.levelno >= logging.ERROR and record not in self._expected]

    def __str__(self) -> str:
        return "\n".join(text(record) for record in self.records)


def text(record: logging.LogRecord) -> str:
    """A record as it would be printed."""
    return logging.Formatter("%(name)s %(levelname)s: %(message)s").format(record)


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[Logs]:
    """The log. Errors in it that the test has not taken with ``logs.take(pattern)`` fail the test."""
    logs = Logs(caplog)
    yield logs
    if logs.unexpected:
        pytest.fail("unexpected in the log:\n" + "\n".join(map(text, logs.unexpected)), pytrace=False)
