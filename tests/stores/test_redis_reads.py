"""The reads of the Redis store, which share a connection: what ends one of them, and what ends none."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import BlockingConnectionPool, Connection, Redis

from rpc_sessions import StoreUnavailable
from rpc_sessions.session.stores import redis_client
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.testing import a_key, a_record
from tests.processes import REPOSITORY
from tests.stores.proxy import Proxy
from tests.stores.servers import Server


@asynccontextmanager
async def store_behind(
    server: Server, own: str, proxy_of: type[Proxy] = Proxy
) -> AsyncIterator[tuple[RedisStore, Proxy]]:
    assert server.port
    async with proxy_of(server.port) as proxy:
        store = RedisStore(f"redis://127.0.0.1:{proxy.port}", prefix=own)
        try:
            yield store, proxy
        finally:
            await store.close()


async def data_of(store: RedisStore, keys: Iterable[str]) -> list[str]:
    """The data of sessions that are there, read at the same time."""
    found = await asyncio.gather(*map(store.load, keys))
    return [record.data for record in found if record]


# -- the connection ------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_what_a_lost_connection_has_not_answered_is_asked_again(redis_server: Server, own: str) -> None:
    async with store_behind(redis_server, own) as (store, proxy):
        keys = [a_key() for _ in range(50)]
        for key in keys:
            await store.insert(key, a_record())
        assert await store.load(keys[0])
        proxy.lose(keys[30].encode())
        assert all(await asyncio.gather(*(store.load(key) for key in keys)))
        assert proxy.lost == 1


@pytest.mark.gen_test
async def test_a_server_that_is_away_is_unavailable_until_it_is_back(redis_server: Server, own: str) -> None:
    async with store_behind(redis_server, own) as (store, proxy):
        await store.insert(key := a_key(), a_record())
        for _ in range(3):
            assert await store.load(key)
            await proxy.refuse()
            for outcome in await asyncio.gather(*(store.load(key) for _ in range(5)), return_exceptions=True):
                assert isinstance(outcome, StoreUnavailable)
                assert isinstance(outcome.__cause__, Exception)
            await proxy.accept()
        assert await store.load(key)


@pytest.mark.gen_test
async def test_a_server_that_is_silent_is_unavailable_in_time(
    redis_server: Server, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_client, "_PATIENCE", 1.5)
    async with store_behind(redis_server, own) as (store, proxy):
        await store.insert(key := a_key(), a_record())
        assert await store.load(key)
        await asyncio.sleep(1.6)  # silence of which nobody expects anything
        assert await store.load(key)
        proxy.hold("answers")
        began = time.monotonic()
        early = asyncio.create_task(store.load(key))
        await asyncio.sleep(0.2)
        late = asyncio.create_task(store.load(key))
        for outcome in await asyncio.gather(early, late, return_exceptions=True):
            assert isinstance(outcome, StoreUnavailable)
            assert isinstance(outcome.__cause__, TimeoutError)
        assert 1.4 < time.monotonic() - began < 4.5
        proxy.release()
        assert await store.load(key)


class InPieces(Proxy):
    """Answers arrive byte by byte."""

    async def _answers(self, server: asyncio.StreamReader, client: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        while byte := await server.read(1):
            client.write(byte)
            await client.drain()
            await asyncio.sleep(0)


@pytest.mark.gen_test
async def test_answers_may_come_in_pieces(redis_server: Server, own: str) -> None:
    async with store_behind(redis_server, own, InPieces) as (store, _):
        texts = {a_key(): f'{{"n":"{number}\r\n$-1"}}' for number in range(10)}
        for key, text in texts.items():
            await store.insert(key, a_record(text))
        assert await data_of(store, texts) == [*texts.values()]


@pytest.mark.gen_test
async def test_large_sessions_come_whole(redis_server: Server, own: str) -> None:
    store, keys = RedisStore(redis_server.url, prefix=own), [a_key() for _ in range(5)]
    large = '{"a":"' + "x" * 3_000_000 + '"}'
    for key in keys:
        await store.insert(key, a_record(large))
    assert await data_of(store, [*keys, a_key()]) == [large] * 5
    await store.close()


@pytest.mark.gen_test
async def test_closing_ends_the_reads_under_way_and_the_next_begins_anew(redis_server: Server, own: str) -> None:
    async with store_behind(redis_server, own) as (store, proxy):
        await store.insert(key := a_key(), a_record())
        assert await store.load(key)
        proxy.hold("answers")
        sent = asyncio.create_task(store.load(key))
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(store.close())
        with pytest.raises(StoreUnavailable) as caught:
            await sent
        assert str(caught.value.__cause__) == "the connection to Redis was closed"
        await closing
        opening = asyncio.create_task(store.load(key))  # and waits for the answers to what is said at first
        await asyncio.sleep(0.05)
        await asyncio.wait_for(store.close(), 30)
        with pytest.raises(StoreUnavailable):
            await opening
        proxy.release()
        assert await store.load(key)


EACH_LOOP = """
import asyncio, sys
from rpc_sessions.session.stores.redis import RedisStore

async def read():
    assert await asyncio.wait_for(store.load("key"), 30) is None
    asyncio.create_task(store.load("key"))
    await asyncio.sleep(0)  # it has asked, and waits when the loop ends

store = RedisStore(sys.argv[1])
for _ in range(3):
    asyncio.run(read())
"""


def test_each_loop_reads_for_itself(redis_server: Server) -> None:
    """As jobs do, that call asyncio.run again and again. In a process of its own, because nobody closes the first."""
    subprocess.run([sys.executable, "-c", EACH_LOOP, redis_server.url], cwd=REPOSITORY, timeout=60, check=True)


# -- one read among others -----------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_read_that_is_refused_fails_alone(redis_server: Server, own: str) -> None:
    store, good, bad = RedisStore(redis_server.url, prefix=own), a_key(), a_key()
    await store.insert(good, a_record())
    async with Redis.from_url(redis_server.url) as client:
        await client.set(own + bad, "text")
    outcomes = await asyncio.gather(*(store.load(key) for key in (good, bad, good)), return_exceptions=True)
    assert [type(outcome).__name__ for outcome in outcomes] == ["Record", "StoreUnavailable", "Record"]
    assert isinstance(outcomes[1], StoreUnavailable)
    assert "WRONGTYPE" in str(outcomes[1].__cause__)
    await store.close()


@pytest.mark.parametrize("after", [0, 0.05])
@pytest.mark.gen_test
async def test_reads_that_are_cancelled_take_no_answer_of_others(redis_server: Server, own: str, after: float) -> None:
    """after: seconds, when they are cancelled: before they leave, or under way."""
    async with store_behind(redis_server, own) as (store, proxy):
        texts = {a_key(): f'{{"n":{number}}}' for number in range(20)}
        for key, text in texts.items():
            await store.insert(key, a_record(text))
        assert await store.load(next(iter(texts)))
        proxy.hold("answers")
        loads = [asyncio.create_task(store.load(key)) for key in texts]
        await asyncio.sleep(after)
        for load in loads[::2]:
            load.cancel()
        await asyncio.sleep(0.05)
        proxy.release()
        found = await asyncio.gather(*loads[1::2])
        assert [record and record.data for record in found] == [*texts.values()][1::2]
        assert all(load.cancelled() for load in loads[::2])


# -- servers that are none -----------------------------------------------------------------------------


@asynccontextmanager
async def no_redis(answer: bytes) -> AsyncIterator[tuple[str, list[object]]]:
    """What says OK to all, but to a read it says this and hangs up. Its url, and its connections until now."""
    connections: list[object] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while data := await reader.read(100_000):
            if b"EVAL" in data:
                writer.write(answer)
                break
            writer.write(b"+OK\r\n" * data.count(b"*"))
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", connections


@pytest.mark.parametrize(("answer", "cause"), [(b"", "closed"), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol")])
@pytest.mark.gen_test
async def test_a_server_that_is_no_redis_is_unavailable(answer: bytes, cause: str) -> None:
    async with no_redis(answer) as (url, connections):
        store = RedisStore(url)
        outcomes = await asyncio.gather(*(store.load(a_key()) for _ in range(20)), return_exceptions=True)
        for outcome in outcomes:
            assert isinstance(outcome, StoreUnavailable)
            assert cause in str(outcome.__cause__)
        assert len(connections) == 1, "it was asked again"
        await store.close()


# -- clients of one's own ------------------------------------------------------------------------------


def with_one_connection(url: str) -> Redis:
    return Redis.from_pool(BlockingConnectionPool.from_url(url, max_connections=1, timeout=30))


def with_the_other_protocol(url: str) -> Redis:
    return Redis.from_url(url, protocol=3, decode_responses=True)


@pytest.mark.parametrize("make", [with_one_connection, with_the_other_protocol])
@pytest.mark.gen_test
async def test_a_client_of_ones_own(redis_server: Server, own: str, make: Callable[[str], Redis]) -> None:
    store = RedisStore(client=lambda: make(redis_server.url), prefix=own)
    keys, text = [a_key() for _ in range(20)], '{"tea":"茶"}'
    await asyncio.gather(*(store.insert(key, a_record(text)) for key in keys))
    assert await data_of(store, [*keys, a_key()]) == [text] * 20
    await store.close()


class Counting(Connection):
    """It may lead to no server at all: nobody but itself knows how to use it."""

    sent = 0

    async def send_packed_command(self, *args: object, **options: object) -> None:
        type(self).sent += 1
        await super().send_packed_command(*args, **options)  # type: ignore[arg-type]  # passed on as they are


@pytest.mark.gen_test
async def test_a_connection_of_ones_own_is_used_by_its_own_methods(redis_server: Server, own: str) -> None:
    pool = BlockingConnectionPool.from_url(redis_server.url, connection_class=Counting)
    store, key = RedisStore(client=lambda: Redis.from_pool(pool), prefix=own), a_key()
    await store.insert(key, a_record())
    assert await store.load(key)
    before = Counting.sent
    assert all(await asyncio.gather(*(store.load(key) for _ in range(20))))
    assert Counting.sent > before
    await store.close()
