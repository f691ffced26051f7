"""The Redis store: what it keeps where, its ways to a server, and servers that are full, killed or replaced."""

# ruff: noqa: SIM118 (keys() is that of a store, not of a dict)

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis, RedisCluster

from rpc_sessions import ConfigError, StoreUnavailable
from rpc_sessions.session.stores.choice import StoreChoice
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.session.stores.redis_native import NativeLayout
from rpc_sessions.testing import a_key, a_record
from tests.stores import servers
from tests.stores.servers import Server


@pytest.fixture
def client(redis_server: Server) -> redis.Redis:
    """What looks into the server from outside."""
    return redis.Redis(port=redis_server.port or 0, decode_responses=True)


# -- what lies in Redis --------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_session_is_a_hash_that_expires_by_itself(redis_server: Server, client: redis.Redis, own: str) -> None:
    store, key, record = RedisStore(redis_server.url, prefix=own), a_key(), a_record()
    await store.insert(key, record)
    fields = {"data": record.data, "created": repr(record.created), "token": record.token}
    assert client.hgetall(own + key) == fields
    assert client.pexpiretime(own + key) == int(record.expires * 1000)
    await store.replace(key, a_record(user_id="ada"), record)
    assert client.hget(own + key, "user_id") == "ada"
    await store.touch(key, record.expires + 500)
    assert client.pexpiretime(own + key) == int((record.expires + 500) * 1000)
    await store.close()
    client.close()


@pytest.mark.gen_test
async def test_the_index_of_a_user_holds_what_lives(redis_server: Server, client: redis.Redis, own: str) -> None:
    store, index = RedisStore(redis_server.url, prefix=own), f"{own}user:ada"
    first, second, short = a_key(), a_key(), a_key()
    record = a_record(user_id="ada", lives=60)
    for key, each in ((first, record), (second, a_record(user_id="ada", lives=70))):
        await store.insert(key, each)
    await store.insert(short, a_record(user_id="ada", lives=0.05))
    await asyncio.sleep(0.1)
    await store.touch(first, time.time() + 900)
    assert client.zrange(index, 0, -1) == [second, first]  # the expired one fell out
    ttl = client.ttl(index)
    assert isinstance(ttl, int)
    assert 890 < ttl <= 900  # as long as the last of them
    assert {key for key, _ in await store.find_by_user("ada")} == {first, second}
    loaded = await store.load(first)
    assert loaded
    await store.replace(first, a_record(lives=-1), loaded)  # retired
    assert client.zrange(index, 0, -1) == [second]
    await store.delete(second)
    assert not client.exists(index)
    await store.close()
    client.close()


@pytest.mark.gen_test
async def test_an_index_with_too_much_finds_no_session_of_others(redis_server: Server, own: str) -> None:
    store, mine, other = RedisStore(redis_server.url, prefix=own), a_key(), a_key()
    await store.insert(mine, a_record(user_id="ada"))
    await store.insert(other, a_record(user_id="eve"))
    index = NativeLayout(store._redis, own).index
    await index(other, "ada", time.time() + 60)  # as if the process had died before it wrote the session
    await index(a_key(), "ada", time.time() + 60)
    assert [key for key, _ in await store.find_by_user("ada")] == [mine]
    await store.close()


@pytest.mark.gen_test
async def test_what_is_no_session_is_left_as_it_is(redis_server: Server, client: redis.Redis, own: str) -> None:
    store, key = RedisStore(redis_server.url, prefix=own), a_key()
    client.set(own + key, "text")
    for call in (store.load(key), store.insert(key, a_record()), store.replace(key, a_record(), a_record())):
        with pytest.raises(StoreUnavailable):
            await call
    assert client.get(own + key) == "text"
    for field in ("data", "created", "token"):
        await store.insert(half := a_key(), a_record())
        client.hdel(own + half, field)
        with pytest.raises(StoreUnavailable, match="corrupt"):
            await store.load(half)
        assert client.hlen(own + half) == 2
    await store.insert(eternal := a_key(), a_record())
    client.persist(own + eternal)
    with pytest.raises(StoreUnavailable, match="corrupt"):
        await store.load(eternal)
    await store.close()
    client.close()


@pytest.mark.gen_test
async def test_two_prefixes_are_two_stores(redis_server: Server, own: str) -> None:
    key, record = a_key(), a_record(user_id="ada")
    one, two = (RedisStore(redis_server.url, prefix=f"{own}{name}:") for name in "ab")
    await one.insert(key, record)
    assert await two.load(key) is None
    assert [each async for each in two.keys()] == []
    assert await two.find_by_user("ada") == []
    assert [each async for each in one.keys()] == [key]
    await one.close()
    await two.close()


@pytest.mark.gen_test
async def test_a_cancelled_load_takes_no_other_with_it(redis_server: Server, own: str) -> None:
    store, keys = RedisStore(redis_server.url, prefix=own), [a_key() for _ in range(5)]
    for key in keys:
        await store.insert(key, a_record())
    loads = [asyncio.create_task(store.load(key)) for key in keys]
    await asyncio.sleep(0)
    loads[0].cancel()
    assert all(await asyncio.gather(*loads[1:]))
    await store.close()


@pytest.mark.gen_test
async def test_loads_of_one_turn_share_a_round_trip(redis_server: Server, client: redis.Redis, own: str) -> None:
    store, key = RedisStore(redis_server.url, prefix=own), a_key()
    await store.insert(key, a_record())
    before = client.info("stats")["total_reads_processed"]
    assert all(await asyncio.gather(*(store.load(key) for _ in range(50))))
    assert client.info("stats")["total_reads_processed"] - before < 10
    await store.close()
    client.close()


# -- servers that are full, killed, replaced -----------------------------------------------------------


@pytest.mark.gen_test
async def test_a_full_server_refuses_and_ends_nobodys_session() -> None:
    with servers.redis_server("--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as server:
        store, large = RedisStore(server.url), '{"a":"' + "x" * 100_000 + '"}'
        keys, full = [], None
        while not full:
            keys.append(a_key())
            try:
                await store.insert(keys[-1], a_record(large, user_id="ada"))
            except StoreUnavailable as error:
                full = error
        assert "maxmemory" in str(full.__cause__)
        assert await store.load(keys.pop()) is None
        assert len(keys) > 3
        assert all([await store.load(key) for key in keys])
        assert await store.delete(keys[0]) is True
        await store.close()


@pytest.mark.gen_test
async def test_a_server_that_evicts_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with servers.redis_server("--maxmemory", "30mb", "--maxmemory-policy", "allkeys-lru") as server:
        store = RedisStore(server.url)
        for _ in range(2):
            await store.insert(a_key(), a_record())
        assert [record.levelno for record in caplog.records if "allkeys-lru" in record.message] == [logging.WARNING]
        await store.close()


@pytest.mark.gen_test
async def test_with_appendfsync_always_an_acknowledged_session_survives_a_kill() -> None:
    with servers.redis_server("--appendonly", "yes", "--appendfsync", "always") as server:
        store, keys = RedisStore(server.url), [a_key() for _ in range(50)]
        for key in keys:
            await store.insert(key, a_record(user_id="ada"))
        await store.delete(keys.pop())
        server.popen.send_signal(signal.SIGKILL)
        server.popen.wait()
        server.start()
        await asyncio.to_thread(servers.wait_until, partial(servers.answers, server))
        assert {key async for key in store.keys()} == set(keys)
        assert {key for key, _ in await store.find_by_user("ada")} == set(keys)
        await store.close()


@pytest.mark.gen_test
async def test_when_a_server_dies_sentinel_names_another() -> None:
    with servers.redis_server() as first, servers.redis_server("--replicaof", f"127.0.0.1 {first.port}") as second:
        assert first.port
        assert second.port
        with servers.redis_sentinel(first.port, second.port) as port:
            store, key, record = RedisStore(f"redis+sentinel://127.0.0.1:{port}/sessions"), a_key(), a_record()
            await store.insert(key, record)
            with redis.Redis(port=first.port) as client:
                client.set("later", 1)  # WAIT asks for what its own connection wrote, and so for all before it
                assert client.wait(1, 30_000) == 1  # the other has it
            first.popen.kill()
            loop = asyncio.get_running_loop()
            end, found = loop.time() + 40, None
            while found is None and loop.time() < end:
                try:
                    found = await store.load(key)
                    assert found, "nobody has become anonymous meanwhile"
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
            assert found
            assert await store.replace(key, a_record('{"n":2}'), found) is True
            await store.close()


# -- ways to a server ----------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_url_may_name_user_password_and_database() -> None:
    with servers.redis_server("--requirepass", "p@ss") as server:
        store, key = RedisStore(f"redis://default:p%40ss@127.0.0.1:{server.port}/3"), a_key()
        await store.insert(key, a_record())
        with redis.Redis(port=server.port or 0, password="p@ss", db=3) as client:
            assert client.exists(f"rpc_sessions:{key}")
        await store.close()
        wrong = RedisStore(f"redis://:wrong@127.0.0.1:{server.port}")
        with pytest.raises(StoreUnavailable):
            await wrong.load(key)
        await wrong.close()


@pytest.mark.gen_test
async def test_a_url_may_be_a_socket_in_the_file_system(tmp_path: Path) -> None:
    with servers.redis_server("--unixsocket", tmp_path / "redis.sock"):
        store = RedisStore(f"unix://{tmp_path}/redis.sock")
        assert await store.insert(a_key(), a_record()) is True
        await store.close()


def test_what_cannot_be_a_client_is_refused_at_once(redis_server: Server) -> None:
    sync = redis.Redis(port=redis_server.port or 0)
    with pytest.raises(ConfigError, match="would block the server"):
        RedisStore(client=sync)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"takes a client of redis\.asyncio"):
        RedisStore(client="redis://localhost")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="takes url="):
        RedisStore()
    with pytest.raises(ConfigError, match="takes url="):
        RedisStore("redis://localhost", client=lambda: Redis())


@pytest.mark.gen_test
async def test_what_a_function_makes_is_looked_at_too() -> None:
    store = RedisStore(client=lambda: redis.Redis())  # type: ignore[arg-type,return-value]
    with pytest.raises(ConfigError, match="would block the server"):
        await store.load(a_key())


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://localhost", "http://"),
        ("localhost:6379", "localhost://"),
        ("redis+mystery://localhost", "mystery"),
        ("unix+cluster:///tmp/a", "unix"),
        ("redis://localhost:port", "port"),
        ("redis+sentinel://localhost:26379", "names the service"),
        ("redis+sentinel://localhost/service/first", "first"),
        ("redis+cluster://localhost:port", "port"),
        ("redis+cluster://localhost?socket_timeout=1", "pass client="),
    ],
)
def test_a_url_that_is_none(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        RedisStore(url)


@pytest.mark.gen_test
async def test_a_function_makes_the_client_in_the_loop_that_uses_it(redis_server: Server, own: str) -> None:
    made: list[Redis] = []

    def make() -> Redis:
        asyncio.get_running_loop()
        made.append(Redis.from_url(redis_server.url))
        return made[-1]

    store, key = RedisStore(client=make, prefix=own), a_key()
    assert await store.insert(key, a_record()) is True
    await store.close()
    assert await store.load(key)
    assert len(made) == 2
    await store.close()


@pytest.mark.gen_test
async def test_only_a_url_or_a_function_can_be_used_by_several_processes() -> None:
    assert RedisStore("redis://localhost").forks
    assert RedisStore(client=lambda: Redis()).forks
    assert RedisStore(client=Redis).forks
    assert not RedisStore(client=Redis()).forks
    cluster = RedisCluster("localhost")
    assert not RedisStore(client=cluster).forks


def test_a_missing_driver_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "redis"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r'redis is missing: pip install "rpc-sessions\[redis\]"'):
        StoreChoice().use("redis", url="redis://localhost")
