"""Servers for the stores: each is started for the first test that asks for it, and serves all."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from rpc_sessions.session.stores import file_folder, redis_client, sql
from tests.stores import servers
from tests.stores.mongo_process import mongo_process
from tests.stores.servers import Server

__all__ = ["mongo_process"]  # a fixture


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of writers on a busy machine may wait long. A test of what hangs sets less."""
    for module in (file_folder, redis_client, sql):
        monkeypatch.setattr(module, "_PATIENCE", 45.0)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    with servers.redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_sentinel(redis_server: Server) -> Iterator[int]:
    assert redis_server.port
    with servers.redis_sentinel(redis_server.port) as port:
        yield port


@pytest.fixture
def redis_sentinel_url(redis_sentinel: int) -> str:
    # The test before may have stopped the server: Sentinel takes a moment to believe in it again.
    servers.wait_until(lambda: servers.has_master(redis_sentinel))
    return f"redis+sentinel://127.0.0.1:1,127.0.0.1:{redis_sentinel}/sessions"  # the first is down


@pytest.fixture(scope="session")
def redis_cluster_url() -> Iterator[str]:
    with servers.redis_cluster() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    with servers.postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    with servers.mariadb() as server:
        yield server


@pytest.fixture
def own() -> str:
    """A name that is this test's own: the prefix of its keys, or its table."""
    return f"test_{uuid4().hex}"


@pytest.fixture
def full_disk() -> Iterator[Path]:
    """A folder on a disk of 256 kB, where root may make one; else one with that limit for each file."""
    with tempfile.TemporaryDirectory(prefix="rpc_sessions_disk_") as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]
        if os.getuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            yield Path(folder)
            subprocess.run(["umount", "--lazy", folder], check=True)
            return
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, before[1]))
        yield Path(folder)
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
