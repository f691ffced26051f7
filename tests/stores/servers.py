"""Real servers for the stores: on a free port, in a folder of their own, ended by their handle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from tests.processes import Process, find_free_port
from tests.requirements import needs


class Server(Process):
    """A server that can be stopped and started again on its port; ``url`` is for the store."""

    def __init__(self, command: Sequence[str | Path], port: int, url: str) -> None:
        super().__init__(command, port)
        self._url = url

    @property
    def url(self) -> str:
        return self._url

    def stop(self, timeout: float = 30) -> int:
        self.popen.send_signal(signal.SIGINT)  # PostgreSQL waits for its clients on SIGTERM
        return super().stop(timeout)

    def freeze(self) -> None:
        """It takes what it is sent, and answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)  # first: from now on it has no more children
        for pid in self._family():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in self._family():
            os.kill(pid, signal.SIGCONT)

    def _family(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, children)]


@contextmanager
def redis_server(*options: str | Path, port: int | None = None) -> Iterator[Server]:
    """A redis-server that keeps nothing on disk, unless options say so."""
    port = port or find_free_port()
    with tempfile.TemporaryDirectory(prefix="rpc_sessions_redis_") as folder:
        settings = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]
        settings += ["--repl-diskless-sync-delay", "0"]
        with Server([needs("redis"), *settings, *options], port, f"redis://127.0.0.1:{port}/0") as server:
            yield server


@contextmanager
def redis_sentinel(master: int, *replicas: int) -> Iterator[int]:
    """The port of a Sentinel that watches a server, under the name ``sessions``."""
    port = find_free_port()
    with tempfile.TemporaryDirectory(prefix="rpc_sessions_sentinel_") as folder:
        settings = Path(folder, "sentinel.conf")
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor sessions 127.0.0.1 {master} 1\n"
            "sentinel down-after-milliseconds sessions 1500\n"
            "sentinel failover-timeout sessions 2000\n"
        )
        with Process([needs("redis"), settings, "--sentinel"], port):
            with Redis(port=port) as sentinel:
                wait_until(lambda: len(sentinel.sentinel_slaves("sessions")) == len(replicas))
            yield port


def has_master(sentinel: int) -> bool:
    """Whether the Sentinel at this port takes the server that it watches for alive."""
    with Redis(port=sentinel) as client:
        state = client.sentinel_master("sessions")
    return not (state["is_sdown"] or state["is_odown"])


@contextmanager
def redis_cluster() -> Iterator[str]:
    """The url of a Cluster of two servers, each with half of the slots."""
    option = ("--cluster-enabled", "yes")
    # The servers talk to each other on port + 10000.
    with redis_server(*option, port=_low_port()) as first, redis_server(*option, port=_low_port()) as second:
        with Redis(port=first.port or 0) as one, Redis(port=second.port or 0) as two:
            one.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
            two.execute_command("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
            two.execute_command("CLUSTER", "SET-CONFIG-EPOCH", 2)
            one.execute_command("CLUSTER", "MEET", "127.0.0.1", second.port)
            for node in (one, two):
                wait_until(lambda node=node: node.cluster("INFO")["cluster_state"] == "ok")  # type: ignore[misc]
        yield f"redis+cluster://127.0.0.1:{first.port},127.0.0.1:{second.port}"


@contextmanager
def postgresql() -> Iterator[Server]:
    """A PostgreSQL with the user ``test``, who needs no password."""
    program = needs("postgresql")
    bin = Path(program).resolve().parent
    with _folder_of("postgres") as (folder, run_as):
        settings = ["-U", "test", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
        _run([*run_as, bin / "initdb", "-D", folder / "data", *settings])
        port = find_free_port()
        command = [*run_as, program, "-D", f"{folder}/data", "-p", str(port), "-k", str(folder), "-h", "127.0.0.1"]
        url = f"postgresql+asyncpg://test@127.0.0.1:{port}/postgres"
        with Server(command, port, url) as server:
            wait_until(lambda: answers(server))
            yield server


@contextmanager
def mariadb() -> Iterator[Server]:
    """A MariaDB with the user ``root``, who needs no password."""
    program = needs("mariadb")
    with _folder_of("mysql") as (folder, run_as):
        data = ["--no-defaults", f"--datadir={folder}"]
        install = shutil.which("mariadb-install-db") or "mariadb-install-db"
        _run([*run_as, install, *data, "--auth-root-authentication-method=normal"])
        port = find_free_port()
        settings = [f"--port={port}", f"--socket={folder}/s", "--bind-address=127.0.0.1", "--skip-log-bin"]
        url = f"mysql+asyncmy://root@127.0.0.1:{port}/test"
        with Server([*run_as, program, *data, *settings], port, url) as server:
            yield server


@contextmanager
def _folder_of(user: str) -> Iterator[tuple[Path, list[str]]]:
    """A folder for a server that refuses to be root, and what runs a command as the user it may be."""
    with tempfile.TemporaryDirectory(prefix=f"rpc_sessions_{user}_", ignore_cleanup_errors=True) as name:
        if os.getuid() != 0:
            yield Path(name), []
            return
        shutil.chown(name, user, user)
        # Unlike runuser, setpriv becomes the command: the handle is the server's.
        yield Path(name), ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def _run(command: Sequence[str | Path]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/", check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def _succeeds(command: Sequence[str | Path]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode == 0


def _low_port() -> int:
    while (port := find_free_port()) > 55_000:
        pass
    return port


def answers(server: Server) -> bool:
    """Whether it is done with starting: PostgreSQL listens before."""
    scheme, port = server.url.split("+")[0], str(server.port)
    return scheme != "postgresql" or _succeeds(
        [Path(needs("postgresql")).resolve().with_name("pg_isready"), "-q", "-h", "127.0.0.1", "-p", port]
    )


def wait_until(done: Callable[[], object], within: float = 60) -> None:
    """TimeoutError if it does not become true in so many seconds."""
    end = time.monotonic() + within
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("what the test waits for does not come")
        time.sleep(0.02)
