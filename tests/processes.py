"""Programs under test, started as a user would start them and ended by their handle."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

REPOSITORY = Path(__file__).parent.parent


# Below what the system gives out by itself, and apart for each worker of pytest-xdist: a port that was found
# free, to have nobody at it or somebody later, is given to no other test. Two runs on one machine begin apart.
_FIRST = 12_000 + 2_000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_BEGIN = _FIRST + os.getpid() * 97 % 2_000
_ports: Iterator[int] = itertools.cycle([*range(_BEGIN, _FIRST + 2_000), *range(_FIRST, _BEGIN)])


def find_free_port() -> int:
    for port in _ports:
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise AssertionError


class Process:
    """A server in a process of its own, ready once its port accepts connections.

        with Process(["-m", "server"], port, env={"PORT": str(port)}) as server:
            ...

    A first argument that begins with ``-`` or ends in ``.py`` is for this Python; anything else is a program.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        port: int | None = None,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = REPOSITORY,
        ready_within: float = 60,
    ) -> None:
        command = [str(argument) for argument in arguments]
        if command[0].startswith("-") or command[0].endswith(".py"):
            command = [sys.executable, *command]
        self.command = command
        self.port = port
        self.env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self.cwd = cwd
        self.ready_within = ready_within

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def output(self) -> str:
        """All it wrote until now, to stdout and stderr."""
        if not self._log.closed:
            self._output = Path(self._log.name).read_text(errors="replace")
        return self._output

    def start(self) -> Self:
        # A file, not a pipe: nobody has to read it while the test runs.
        self._log = tempfile.NamedTemporaryFile(prefix="rpc_sessions_test_")  # noqa: SIM115
        self.popen = subprocess.Popen(
            self.command,
            cwd=self.cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        if self.port is not None:
            try:
                self._wait_for_port(self.port)
            except BaseException:
                self.stop()
                raise
        return self

    def _wait_for_port(self, port: int) -> None:
        deadline = time.monotonic() + self.ready_within
        while True:
            if self.popen.poll() is not None:
                raise RuntimeError(f"{self.command} ended with {self.popen.returncode}:\n{self.output}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{self.command} does not listen on {port}:\n{self.output}") from None
                time.sleep(0.02)

    def wait(self, timeout: float = 60) -> int:
        """Its exit status, once it has ended by itself."""
        return self.popen.wait(timeout)

    def stop(self, timeout: float = 30) -> int:
        """SIGTERM, and SIGKILL for one that does not listen. The exit status."""
        self.popen.terminate()
        try:
            self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        _ = self.output  # to be read after the file is gone, too
        self._log.close()
        return self.popen.returncode

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.stop()
