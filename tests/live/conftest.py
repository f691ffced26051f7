"""Two servers on one store, each with its own registry and its own clients, as two processes have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from rpc_sessions import Store
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.session.stores.sql import SQLStore
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.session.steps import session_server
from tests.stores.conftest import own, postgresql, redis_server

__all__ = ["own", "postgresql", "redis_server"]  # fixtures

SOON = 10.0  # seconds; 5 are promised, and other tests have the processors, too
POLLED = ["sqlite", "file"]
STORES = [*POLLED, "redis", "postgresql", "mongodb"]


class Two(NamedTuple):
    """Two servers; ``at(site, browser)`` is the same browser, at another server."""

    one: Site
    two: Site

    def at_two(self, browser: Browser) -> Browser:
        return Browser(self.two, browser.cookie)


Serve = Callable[..., AbstractAsyncContextManager[Two]]


@pytest.fixture(params=STORES)
def make_store(request: pytest.FixtureRequest, own: str, tmp_path: Path) -> Callable[[], Store]:
    """Another store object on the same sessions, each time."""
    if request.param == "sqlite":
        return lambda: SQLStore(f"sqlite+aiosqlite:///{tmp_path}/sessions.db")
    if request.param == "file":
        return lambda: FileStore(tmp_path / "sessions")
    if request.param == "mongodb":
        uri, database = request.getfixturevalue("mongo_uri"), request.getfixturevalue("mongo_database")
        return lambda: MongoStore(uri, database=database)
    if request.param == "redis":
        url = request.getfixturevalue("redis_server").url
        return lambda: RedisStore(url, prefix=own + ":")
    url = request.getfixturevalue("postgresql").url
    return lambda: SQLStore(url, table=own)


@pytest.fixture
def serve_two(make_server: MakeServer, make_store: Callable[[], Store]) -> Serve:
    """``async with serve_two() as (one, two):``; options: of the sessions."""

    @asynccontextmanager
    async def serve(**options: object) -> AsyncIterator[Two]:
        servers = [session_server(make_server, make_store(), **{"poll_interval": 0.2} | options) for _ in range(2)]
        async with serving(servers[0]) as one, serving(servers[1]) as two:
            yield Two(one, two)

    return serve
