"""Watching where it cannot be, or not always: servers that go and come back, hang, or cannot tell."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis
from pymongo import AsyncMongoClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import create_async_engine

from rpc_sessions import StoreUnavailable
from rpc_sessions.session.stores import mongodb_watch, postgresql_listen, redis_watch
from rpc_sessions.session.stores.base import Watches
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.session.stores.sql import SQLStore
from rpc_sessions.testing import Watcher, a_key, a_record
from tests.conftest import allow_unclosed
from tests.stores import servers
from tests.stores.mongo_process import MongoProcess
from tests.stores.servers import Server

WatchingStore = SQLStore | RedisStore | MongoStore


# -- servers that are taken away -----------------------------------------------------------------------


class Away(Protocol):
    """A server of this test's own, and what may be done to it."""

    make: Callable[[], WatchingStore]

    def stop(self) -> object: ...
    def start(self) -> object: ...
    def freeze(self) -> object: ...
    def thaw(self) -> object: ...


class OwnServer:
    def __init__(self, server: Server, make: Callable[[str], WatchingStore]) -> None:
        self._server, self.make = server, lambda: make(server.url)
        self.stop, self.freeze, self.thaw = server.stop, server.freeze, server.thaw

    def start(self) -> None:
        self._server.start()
        servers.wait_until(lambda: servers.answers(self._server))


class OwnMongo:
    def __init__(self, process: MongoProcess) -> None:
        self._process = process
        self.make: Callable[[], WatchingStore] = lambda: MongoStore(process.hasty_uri)
        self.stop, self.start = process.crash, process.start

    def freeze(self) -> None:
        self._process.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send(signal.SIGCONT)


@contextmanager
def own_server(kind: str, folder: Path, config: pytest.Config) -> Iterator[Away]:
    if kind == "mongodb":
        process = MongoProcess(folder / "mongo", replica_set=True)
        allow_unclosed(config, process.port)
        process.start()
        yield OwnMongo(process)
        process.crash()
    elif kind == "postgresql":
        with servers.postgresql() as server:
            yield OwnServer(server, SQLStore)
    else:
        with servers.redis_server() as server:
            yield OwnServer(server, RedisStore)


@pytest.fixture(params=["postgresql", "redis", "mongodb"])
def away(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Away]:
    with own_server(request.param, tmp_path, request.config) as server:
        yield server


@pytest.mark.gen_test
async def test_a_server_goes_and_comes_back(away: Away) -> None:
    store, other, before, after = away.make(), away.make(), a_key(), a_key()
    async with Watcher(store, within=30.0) as watcher:  # MongoDB's driver looks for another server for a while
        await other.insert(before, a_record())
        await watcher.hears(before)
        await asyncio.to_thread(away.stop)
        with pytest.raises(StoreUnavailable):
            await watcher.hears(after)
    with pytest.raises(StoreUnavailable):
        async with Watcher(store, within=30.0):
            pass
    await asyncio.to_thread(away.start)
    async with Watcher(store) as watcher:
        assert watcher.heard == [None]
        await other.insert(after, a_record())
        await watcher.hears(after)
    await store.close()
    await other.close()


@pytest.mark.gen_test
async def test_a_driver_that_connects_again_by_itself_says_so(redis_server: Server, own: str) -> None:
    store, key = RedisStore(client=lambda: Redis(port=redis_server.port or 0), prefix=own), a_key()
    async with Watcher(store) as watcher:
        watcher.heard.clear()
        with redis.Redis(port=redis_server.port or 0) as client:
            assert client.client_kill_filter(_type="pubsub") >= 1  # Sentinel may be there, too
        await watcher.hears(None)
        await store.insert(key, a_record())
        await watcher.hears(key)
    await store.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is given up soon."""
    for module in (mongodb_watch, postgresql_listen, redis_watch):
        monkeypatch.setattr(module, "_PATIENCE", 3.0)
        monkeypatch.setattr(module, "_SILENCE", 0.2, raising=False)


@pytest.mark.gen_test
async def test_a_server_that_hangs_is_noticed(away: Away, hasty: None) -> None:
    store = away.make()
    async with Watcher(store, within=30.0) as watcher:
        await asyncio.sleep(1.0)
        assert watcher.heard == [None], "it was silent, and there all the same"
        away.freeze()
        with pytest.raises(StoreUnavailable):
            await watcher.hears(a_key())
    away.thaw()
    async with Watcher(store) as watcher:
        assert watcher.heard == [None]
    await store.close()


@pytest.mark.gen_test
async def test_when_a_server_dies_sentinel_names_another_to_watch() -> None:
    with servers.redis_server() as first, servers.redis_server("--replicaof", f"127.0.0.1 {first.port}") as second:
        assert first.port
        assert second.port
        with servers.redis_sentinel(first.port, second.port) as port:
            url = f"redis+sentinel://127.0.0.1:{port}/sessions"
            store, other, key = RedisStore(url), RedisStore(url), a_key()
            async with Watcher(store, within=30.0) as watcher:
                first.popen.kill()
                with pytest.raises(StoreUnavailable):
                    await watcher.hears(key)
            await retried(lambda: other.insert(key, a_record()))
            async with Watcher(store) as watcher:
                assert await other.delete(key)
                await watcher.hears(key)
            await store.close()
            await other.close()


async def retried(call: Callable[[], Awaitable[bool]]) -> None:
    """Make a call until the store is there."""
    async with asyncio.timeout(30):
        while True:
            try:
                assert await call() is True
                return
            except StoreUnavailable:
                await asyncio.sleep(0.05)


# -- servers that are there ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["postgresql", "redis", "mongodb"])
@pytest.mark.gen_test
async def test_silence_is_no_failure(kind: str, request: pytest.FixtureRequest, own: str) -> None:
    """However short the timeouts of the client are: those are for answers."""
    store: WatchingStore
    if kind == "postgresql":
        url, hurry = request.getfixturevalue("postgresql").url, {"command_timeout": 1.5}
        store = SQLStore(engine=lambda: create_async_engine(url, connect_args=hurry), table=own)
    elif kind == "redis":
        url = request.getfixturevalue("redis_server").url
        store = RedisStore(client=lambda: Redis.from_url(url, socket_timeout=1.5), prefix=own)
    else:
        uri, database = (request.getfixturevalue(name) for name in ("mongo_uri", "mongo_database"))
        store = MongoStore(client=lambda: AsyncMongoClient[Any](uri, timeoutMS=1500), database=database)
    key = a_key()
    async with Watcher(store) as watcher:
        await asyncio.sleep(3)
        await store.insert(key, a_record())
        await watcher.hears(key)
        assert watcher.heard == [None, key]
    await store.close()


# -- servers that cannot tell --------------------------------------------------------------------------


async def ends(store: Watches) -> bool:
    async with Watcher(store) as watcher:
        return watcher.ended and watcher.heard == []


@pytest.mark.gen_test
async def test_sqlite_and_mariadb_cannot(tmp_path: Path, mariadb: Server, own: str) -> None:
    for url in (f"sqlite+aiosqlite:///{tmp_path}/sessions.db", mariadb.url):
        store = SQLStore(url, table=own)
        assert await ends(store)
        await store.close()


@pytest.mark.gen_test
async def test_a_mongodb_without_replica_set_cannot(
    mongo_process: MongoProcess, caplog: pytest.LogCaptureFixture
) -> None:
    mongo_process.start()
    store = MongoStore(mongo_process.uri)
    with caplog.at_level(logging.INFO, "rpc_sessions"):
        assert await ends(store)
    assert "replica set" in caplog.text
    await store.close()


@pytest.mark.parametrize("setting", ["", "Ex", "Kg$", "Eg$x"])
@pytest.mark.gen_test
async def test_a_redis_that_express_writes_to_says_what_to_set(
    setting: str, redis_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis(port=redis_server.port or 0) as client:
        client.config_set("notify-keyspace-events", setting)
        store = RedisStore(redis_server.url, layout="express")
        with caplog.at_level(logging.INFO, "rpc_sessions"):
            assert await ends(store)
        assert [record.levelname for record in caplog.records if "Kg$x" in record.message] == ["INFO"]
        client.config_set("notify-keyspace-events", "KEA")
        async with Watcher(store) as watcher:
            assert watcher.heard == [None]
        client.config_set("notify-keyspace-events", "")
        await store.close()


@pytest.mark.gen_test
async def test_a_cluster_that_express_writes_to_cannot(redis_cluster_url: str, own: str) -> None:
    store = RedisStore(redis_cluster_url, prefix=own, layout="express")
    assert await ends(store)
    await store.close()


@pytest.mark.parametrize("layout", ["native", "express"])
@pytest.mark.gen_test
async def test_a_user_of_redis_who_may_not_listen_may_write(layout: str, redis_server: Server, own: str) -> None:
    with redis.Redis(port=redis_server.port or 0) as client:
        client.acl_setuser(
            own, enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"], reset_channels=True
        )
        store, key = RedisStore(f"redis://{own}:x@127.0.0.1:{redis_server.port}", prefix=own, layout=layout), a_key()
        assert await ends(store)
        assert await store.insert(key, a_record()) is True
        assert await store.delete(key) is True
        await store.close()
        client.acl_deluser(own)
