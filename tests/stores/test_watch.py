"""What a store tells of the writes of others: promptly, all of it, and only what is its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandListener, CommandStartedEvent
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rpc_sessions import StoreUnavailable
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.session.stores.sql import SQLStore
from rpc_sessions.testing import Watcher, a_key, a_record
from tests.stores import servers
from tests.stores.servers import Server
from tests.waiting import until

WatchingStore = SQLStore | RedisStore | MongoStore
Make = Callable[[str], WatchingStore]  # a store of its own, with a client of its own, in a place of this name


@pytest.fixture(scope="module")
def telling_redis() -> Iterator[Server]:
    """It tells of its keys, as ``layout="express"`` needs it."""
    with servers.redis_server("--notify-keyspace-events", "Kg$x") as server:
        yield server


@pytest.fixture
def mongo_place(mongo_uri: str, mongo_database: str) -> tuple[str, str]:
    return mongo_uri, mongo_database


def by_postgresql(server: Server) -> Make:
    return lambda name: SQLStore(server.url, table=name)


def by_engine(server: Server) -> Make:
    """With transactions, and a pool of one connection."""

    def make(name: str) -> SQLStore:
        return SQLStore(engine=lambda: create_async_engine(server.url, pool_size=1, max_overflow=0), table=name)

    return make


def by_redis(server: Server) -> Make:
    return lambda name: RedisStore(server.url, prefix=f"{name}[*]:")


def by_redis_client(server: Server) -> Make:
    """With the other protocol, texts, and pings of its own."""
    options: dict[str, Any] = {"protocol": 3, "decode_responses": True, "health_check_interval": 1}
    return lambda name: RedisStore(client=lambda: Redis.from_url(server.url, **options), prefix=name)


def by_redis_url(url: str) -> Make:
    return lambda name: RedisStore(url, prefix=name)


def by_connect_redis(server: Server) -> Make:
    return lambda name: RedisStore(f"redis://127.0.0.1:{server.port}/3", prefix=f"{name}[*]:", layout="express")


def by_mongodb(place: tuple[str, str]) -> Make:
    uri, database = place
    return lambda name: MongoStore(uri, database=database, collection=name)


def by_motor(place: tuple[str, str]) -> Make:
    uri, database = place
    return lambda name: MongoStore(client=lambda: AsyncIOMotorClient(uri), database=database, collection=name)


def by_connect_mongo(place: tuple[str, str]) -> Make:
    uri, database = place
    return lambda name: MongoStore(uri, database=database, collection=name, layout="express")


WAYS: dict[str, tuple[Callable[[Any], Make], str]] = {  # Any: what the fixture of this name gives
    "postgresql": (by_postgresql, "postgresql"),
    "engine": (by_engine, "postgresql"),
    "redis": (by_redis, "redis_server"),
    "redis client": (by_redis_client, "redis_server"),
    "sentinel": (by_redis_url, "redis_sentinel_url"),
    "cluster": (by_redis_url, "redis_cluster_url"),
    "connect-redis": (by_connect_redis, "telling_redis"),
    "mongodb": (by_mongodb, "mongo_place"),
    "motor": (by_motor, "mongo_place"),
    "connect-mongo": (by_connect_mongo, "mongo_place"),
}


@pytest.fixture(params=WAYS)
def make(request: pytest.FixtureRequest) -> Make:
    way, fixture = WAYS[request.param]
    return way(request.getfixturevalue(fixture))


async def replace(store: WatchingStore, key: str, lives: float = 60.0) -> None:
    loaded = await store.load(key)
    assert loaded
    assert await store.replace(key, a_record('{"n":2}', lives=lives, user_id="ada"), loaded) is True


# -- what is told --------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_writes_of_another_client_are_told_at_once(make: Make, own: str) -> None:
    ours, theirs, key = make(own), make(own), a_key()
    async with Watcher(ours) as watcher:
        assert watcher.heard == [None]
        for write in (
            lambda: theirs.insert(key, a_record(user_id="ada")),
            lambda: replace(theirs, key),
            lambda: theirs.delete(key),
            lambda: theirs.insert(key, a_record()),
            lambda: replace(theirs, key, lives=-1.0),  # retired
        ):
            watcher.heard.clear()
            await write()
            await watcher.hears(key)
    await ours.close()
    await theirs.close()


@pytest.mark.gen_test
async def test_a_burst_loses_nothing(make: Make, own: str) -> None:
    ours, theirs = make(own), make(own)
    keys = [a_key() for _ in range(1000)]
    async with Watcher(ours, within=30.0) as watcher:
        for start in range(0, len(keys), 20):
            await asyncio.gather(*(theirs.insert(key, a_record()) for key in keys[start : start + 20]))
        await watcher.hears(*keys)
        assert watcher.heard.count(None) == 1, "it was lost in between"
    await ours.close()
    await theirs.close()


@pytest.mark.gen_test
async def test_what_others_keep_elsewhere_is_not_told(make: Make, own: str) -> None:
    ours, theirs, key, other = make(own), make(f"{own[:-1]}_"), a_key(), a_key()
    async with Watcher(ours) as watcher:
        await theirs.insert(other, a_record())
        await theirs.delete(other)
        await ours.insert(key, a_record(user_id="ada"))
        await ours.delete(key)
        await watcher.hears(key)
        assert set(watcher.heard) == {None, key}
    await ours.close()
    await theirs.close()


@pytest.mark.gen_test
async def test_a_touch_is_no_news(postgresql: Server, redis_server: Server, telling_redis: Server, own: str) -> None:
    """MongoDB tells of it; it does no harm."""
    for way, server in ((by_postgresql, postgresql), (by_redis, redis_server), (by_connect_redis, telling_redis)):
        store, key, last = way(server)(own), a_key(), a_key()
        await store.insert(key, a_record())
        async with Watcher(store) as watcher:
            assert await store.touch(key, time.time() + 500) is True
            await store.insert(last, a_record())
            await watcher.hears(last)
            assert key not in watcher.heard
        await store.close()


@pytest.mark.gen_test
async def test_several_may_watch_one_place(make: Make, own: str) -> None:
    ours, theirs, key = make(own), make(own), a_key()
    async with Watcher(ours) as first, Watcher(ours) as second, Watcher(theirs) as third:
        await theirs.insert(key, a_record())
        for watcher in (first, second, third):
            await watcher.hears(key)
    await ours.close()
    await theirs.close()


# -- how it ends ---------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_whoever_stops_to_listen_leaves_nothing_behind(make: Make, own: str) -> None:
    store, key = make(own), a_key()
    await store.insert(key, a_record())
    async with Watcher(store):
        before = asyncio.all_tasks()
    for _ in range(3):
        async with Watcher(store):
            pass  # it is cancelled while it waits
        watch = store.watch()
        assert await anext(watch) is None
        await watch.aclose()
    await until(lambda: not asyncio.all_tasks() - before)
    assert await store.load(key)
    await store.close()


@pytest.mark.gen_test
async def test_a_store_that_is_closed_does_not_wait_for_who_watches(make: Make, own: str) -> None:
    store = make(own)
    async with Watcher(store) as watcher:
        async with asyncio.timeout(30):
            await store.close()
        with pytest.raises(StoreUnavailable):
            await watcher.hears(a_key())
    await store.close()


@pytest.mark.gen_test
async def test_no_connection_is_left(postgresql: Server, redis_server: Server, own: str) -> None:
    sql, engine = SQLStore(postgresql.url, table=own), create_async_engine(postgresql.url)
    async with Watcher(sql):
        assert await listeners(engine) == 1
    await none_listens(engine)
    async with Watcher(sql):
        await sql.close()
    await none_listens(engine)
    await engine.dispose()
    store = RedisStore(redis_server.url, prefix=own)
    with redis.Redis(port=redis_server.port or 0, decode_responses=True) as client:
        async with Watcher(store):
            assert client.pubsub_numsub(f"{own}changes") == [(f"{own}changes", 1)]
        await until(lambda: client.pubsub_numsub(f"{own}changes") == [(f"{own}changes", 0)])
    await store.close()


@pytest.mark.gen_test
async def test_no_cursor_is_left(mongo_place: tuple[str, str], own: str) -> None:
    class Commands(CommandListener):
        """The names of the commands that were sent."""

        def __init__(self) -> None:
            self.names: list[str] = []

        def started(self, event: CommandStartedEvent) -> None:
            self.names.append(event.command_name)

        def succeeded(self, event: object) -> None: ...
        def failed(self, event: object) -> None: ...

    (uri, database), commands = mongo_place, Commands()
    clients: list[Callable[[], Any]] = [
        lambda: AsyncMongoClient(uri, event_listeners=[commands]),
        lambda: AsyncIOMotorClient(uri, event_listeners=[commands]),
    ]
    for client in clients:
        store = MongoStore(client=client, database=database, collection=own)
        async with Watcher(store):
            commands.names.clear()
        assert commands.names[-1] == "killCursors"
        await asyncio.sleep(0.6)
        assert commands.names[-1] == "killCursors", "it was asked for more"
        await store.close()


async def none_listens(engine: AsyncEngine) -> None:
    """A connection that was closed is listed until its process has ended."""
    async with asyncio.timeout(30):
        while await listeners(engine):  # noqa: ASYNC110 (the server is asked)
            await asyncio.sleep(0.02)


async def listeners(engine: AsyncEngine) -> int:
    """How many connections to PostgreSQL were last told to listen, or to listen no more."""
    async with engine.begin() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^(UN)?LISTEN'"
        return int((await connection.exec_driver_sql(query)).scalar_one())
