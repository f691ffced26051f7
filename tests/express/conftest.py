"""Fixtures: a store of each kind, and both sides on it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from uuid import uuid4

import pytest
from pymongo import MongoClient

from tests.apps import MakeServer, serving
from tests.express.pair import Express, Pair, Shared, Visitor
from tests.session.steps import session_server
from tests.stores import servers

StartExpress = Callable[[Mapping[str, object]], Express]


@pytest.fixture(scope="session")
def mongodb(mongo_uri: str) -> Iterator[Shared]:
    name = f"rpc_sessions_test_{uuid4().hex}"
    yield Shared("mongodb", {"uri": mongo_uri, "database": name}, {"mongoUrl": mongo_uri, "dbName": name})
    with MongoClient[dict[str, object]](mongo_uri) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def redis() -> Iterator[Shared]:
    with servers.redis_server("--notify-keyspace-events", "Kg$x") as server:
        yield Shared("redis", {"url": server.url}, {"url": server.url})


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    path = str(tmp_path_factory.mktemp("sessions"))
    return Shared("file", {"path": path}, {"path": path})


@pytest.fixture(scope="session", params=["mongodb", "redis", "file"])
def shared(request: pytest.FixtureRequest) -> Shared:
    """A store that both sides use."""
    shared: Shared = request.getfixturevalue(request.param)
    return shared


@pytest.fixture(scope="session")
def start_express(shared: Shared) -> Iterator[StartExpress]:
    """An Express application with these settings; the same settings get the same one."""
    started: dict[str, Express] = {}
    with ExitStack() as stack:

        def start(settings: Mapping[str, object]) -> Express:
            key = json.dumps(settings)
            if key not in started:
                started[key] = stack.enter_context(Express(shared, settings))
            return started[key]

        yield start


@pytest.fixture
def pair(make_server: MakeServer, shared: Shared, start_express: StartExpress) -> Iterator[Pair]:
    """Both sides on the store. What Express writes to stderr and no test takes fails the test."""
    used: list[Express] = []

    @asynccontextmanager
    async def make(settings: Mapping[str, object] = {}, /, **options: object) -> AsyncIterator[Visitor]:
        used.append(start_express(settings))
        ss = session_server(make_server, store=None, **options)
        ss.session.store.use(shared.kind, **shared.ours, layout="express")
        async with serving(ss) as site:
            yield Visitor(site, used[-1])

    yield make
    errors = "".join(express.take_errors() for express in used)
    if errors:
        pytest.fail(f"Express wrote:\n{errors}", pytrace=False)
