"""The store is full: what it holds can be read, what it cannot hold is refused, and nothing that was there is lost."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

import pytest
import redis
from pymongo import MongoClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from rpc_sessions import Session, Store
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.memory import MemoryStore
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.session.stores.sql import SQLStore
from rpc_sessions.testing import a_key, a_record
from tests.apps import MakeServer, serving
from tests.faults.disk import Disk
from tests.faults.ways import ADA, AWAY, everywhere, log_in, refused, refused_everywhere
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.steps import look, over_http, over_post, over_socket, session_server
from tests.stores import servers
from tests.stores.servers import Server

LARGE = secrets.token_hex(20_000)  # a database cannot compress it


class Full(NamedTuple):
    """cause: what the log says of it. refuses_changes: of sessions that are there, too."""

    store: Store
    fill: Callable[[], object]
    free: Callable[[], object]
    cause: str
    refuses_changes: bool = True
    message: str = AWAY


@asynccontextmanager
async def memory(request: pytest.FixtureRequest) -> AsyncIterator[Full]:
    store, other = MemoryStore(max_sessions=2), a_key()
    yield Full(
        store,
        lambda: store._records.update({other: a_record()}),
        lambda: store._records.pop(other),
        "max_sessions=2",
        refuses_changes=False,
        message="Session store full",
    )


@asynccontextmanager
async def file(request: pytest.FixtureRequest) -> AsyncIterator[Full]:
    disk: Disk = request.getfixturevalue("disk")
    yield Full(FileStore(disk.folder / "sessions"), disk.fill, disk.free, "No space left")


@asynccontextmanager
async def sqlite(request: pytest.FixtureRequest) -> AsyncIterator[Full]:
    disk: Disk = request.getfixturevalue("disk")
    yield Full(SQLStore(f"sqlite+aiosqlite:///{disk.folder}/sessions.db"), disk.fill, disk.free, "disk")


@asynccontextmanager
async def postgresql(request: pytest.FixtureRequest) -> AsyncIterator[Full]:
    disk: Disk = request.getfixturevalue("disk")
    server: Server = request.getfixturevalue("postgresql")
    space = disk.folder / "space"
    space.mkdir()
    shutil.chown(space, "postgres", "postgres")
    engine = create_async_engine(server.url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE TABLESPACE small LOCATION '{space}'"))
        await connection.execute(text("CREATE DATABASE small TABLESPACE small"))
        yield Full(SQLStore(server.url.replace("/postgres", "/small")), disk.fill, disk.free, "No space left")
        await connection.execute(text("DROP DATABASE small WITH (FORCE)"))
        await connection.execute(text("DROP TABLESPACE small"))
    await engine.dispose()


@asynccontextmanager
async def redis_server(request: pytest.FixtureRequest) -> AsyncIterator[Full]:
    with (
        servers.redis_server("--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as server,
        redis.Redis(port=server.port or 0) as client,
    ):

        def fill() -> None:
            with suppress(redis.exceptions.OutOfMemoryError):
                while True:
                    client.append("filler", b"x" * 10_000)

        yield Full(RedisStore(server.url), fill, lambda: client.delete("filler"), "maxmemory")


@asynccontextmanager
async def mongodb(request: pytest.FixtureRequest) -> AsyncIterator[Full]:
    """As mongod answers on a disk that is nearly full: https://www.mongodb.com/docs/manual/reference/error-codes/"""
    uri, database = request.getfixturevalue("mongo_uri"), request.getfixturevalue("mongo_database")
    refused = {"failCommands": ["insert", "update", "findAndModify"], "errorCode": 14031, "appName": database}
    with MongoClient[Any](uri) as client:

        def set_to(mode: str) -> object:
            return client.admin.command("configureFailPoint", "failCommand", mode=mode, data=refused)

        store = MongoStore(f"{uri.rstrip('/')}/?appName={database}", database=database)
        yield Full(store, lambda: set_to("alwaysOn"), lambda: set_to("off"), "failpoint")


async def grow(session: Session) -> None:
    session["filling"] = LARGE
    await session.save()


@pytest.mark.parametrize(
    "kind", [memory, file, sqlite, postgresql, redis_server, mongodb], ids=lambda kind: kind.__name__
)
@pytest.mark.gen_test
async def test_it(kind: Any, make_server: MakeServer, request: pytest.FixtureRequest, logs: Logs) -> None:
    async with kind(request) as full, serving(session_server(make_server, full.store)) as site:
        browser, newcomer = Browser(site), Browser(site)
        await over_http(browser, log_in)
        async with browser.socket() as socket:
            full.fill()
            assert await everywhere(browser, socket, look) == [ADA] * 3
            if full.refuses_changes:
                await refused_everywhere(browser, socket, grow, full.message)
            for way in (over_post, over_http):
                await refused(partial(way, newcomer), grow, full.message)
            assert newcomer.cookie == ""
            assert len(logs.take(full.cause)) == (5 if full.refuses_changes else 2)
            assert LARGE[:30] not in str(logs), "the log shows what is in a session"
            assert "[SQL" not in str(logs), "the log repeats statements, and with them sessions"
            assert await everywhere(browser, socket, look) == [ADA] * 3

            full.free()
            await over_socket(socket, site.ss, grow)
            await over_http(newcomer, grow)
            assert await over_http(browser, look) == ("ada", {"cart": {"tea": 2}, "filling": LARGE})
    logs.take("503 (GET|POST)")
