"""A MongoDB in a process of its own, on one port and one folder, to be taken away and brought back."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import allow_unclosed
from tests.processes import Process, find_free_port


class MongoProcess:
    """``start()``, ``crash()``, and ``start()`` again: with the data it had. Only a replica set has change streams."""

    def __init__(self, folder: Path, *, replica_set: bool = False) -> None:
        self.port = find_free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}"
        self.hasty_uri = f"{self.uri}/?serverSelectionTimeoutMS=1500"  # for tests that take it away
        program = Path(sys.executable).parent / "secantusd-py"
        self._command: list[str | Path] = [
            program,
            "--port",
            str(self.port),
            "--storage-path",
            folder,
            "--sync-on-commit",
            *([] if replica_set else ["--standalone"]),
        ]
        self._process: Process | None = None

    def start(self) -> None:
        self._process = Process(self._command, self.port).start()

    def crash(self) -> None:
        """End it without notice."""
        if self._process is not None:
            self.send(signal.SIGKILL)
            self._process.wait()
            self._process.stop()
            self._process = None

    def send(self, number: int) -> None:
        """A signal."""
        assert self._process is not None
        os.kill(self._process.pid, number)


@pytest.fixture
def mongo_process(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[MongoProcess]:
    """Not started yet; ended with the test."""
    process = MongoProcess(tmp_path / "mongo")
    allow_unclosed(pytestconfig, process.port)
    yield process
    process.crash()
