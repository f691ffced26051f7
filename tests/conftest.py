"""Fixtures for all tests. pytest-tornado adds http_server, http_client and base_url, which want an `app`."""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri
from tornado.ioloop import IOLoop

from tests.apps import make_server
from tests.logs import logs
from tests.processes import REPOSITORY, Process, find_free_port
from tests.requirements import needs_module

__all__ = ["logs", "make_server"]  # fixtures for all tests

# What a property test finds does not depend on how busy the machine is.
settings.register_profile("however slow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("however slow")


@pytest.fixture
def new_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the loop of a test."""
    return asyncio.new_event_loop


@pytest.fixture
def io_loop(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> Iterator[IOLoop]:
    """pytest-tornado's loop, made without the calls that Tornado and Python 3.12 warn of. Leaves no task."""
    loop = new_loop()
    asyncio.set_event_loop(loop)
    io_loop = IOLoop(asyncio_loop=loop, make_current=False)
    yield io_loop
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    asyncio.set_event_loop(None)
    io_loop.close(all_fds=True)


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses."""
    return find_free_port()


class StartProcess(Protocol):
    def __call__(
        self,
        arguments: Sequence[str | Path],
        port: int | None = None,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = REPOSITORY,
    ) -> Process: ...


@pytest.fixture
def start_process() -> Iterator[StartProcess]:
    """Start a Process, ended with the test: ``start_process(["-m", "server"], free_port)``."""
    started: list[Process] = []

    def start(
        arguments: Sequence[str | Path],
        port: int | None = None,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path = REPOSITORY,
    ) -> Process:
        process = Process(arguments, port, env=env, cwd=cwd)
        process.start()
        started.append(process)
        return process

    yield start
    for process in reversed(started):
        process.stop()


def allow_unclosed(config: pytest.Config, port: int | None) -> None:
    """Of PyMongo's sockets to this port: one that is being connected when its client is closed is left to Python.

    PyMongo 4.20 breaks its monitors off, in ``_async_create_connection``. Any other socket that is not closed fails
    the test.
    """
    message = rf"unclosed <socket.* raddr=.*, {port}.>"
    warnings.filterwarnings("ignore", message, ResourceWarning)  # for this test
    config.addinivalue_line("filterwarnings", f"ignore:{message}:ResourceWarning")  # and for those that follow


@pytest.fixture(scope="session")
def mongo_uri(pytestconfig: pytest.Config) -> Iterator[str]:
    """A MongoDB: the one at TEST_MONGO_URI, or SecantusDB in this process and in memory."""
    if uri := os.environ.get("TEST_MONGO_URI"):
        allow_unclosed(pytestconfig, parse_uri(uri)["nodelist"][0][1])
        yield uri
        return
    secantus = needs_module("secantus", 'pip install -e ".[dev]"')
    server = secantus.SecantusDBServer(storage_path=":memory:", ttl_sweep_seconds=1.0)
    server.start()
    allow_unclosed(pytestconfig, parse_uri(server.uri)["nodelist"][0][1])
    yield server.uri
    # It complains that it cannot write its log any more. In memory there is nothing to write.
    logging.getLogger("secantus.storage.close").disabled = True
    server.stop()


@pytest.fixture
def mongo_database(mongo_uri: str) -> Iterator[str]:
    """The name of a database that is this test's own, and is dropped after it."""
    name = f"rpc_sessions_test_{uuid4().hex}"
    yield name
    with MongoClient[dict[str, object]](mongo_uri) as client:
        client.drop_database(name)
