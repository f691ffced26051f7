"""``layout="express"`` in Redis: keys, expiries, and what is no session."""

# ruff: noqa: SIM118 (keys() is that of a store, not of a dict)

from __future__ import annotations

import json
import time
from dataclasses import replace as with_changes

import pytest
import redis

from rpc_sessions import ConfigError, StoreUnavailable
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.testing import a_key, a_record
from tests.apps import MakeServer
from tests.stores.express_raw import ID
from tests.stores.servers import Server

COOKIE = {"originalMaxAge": None, "expires": None, "httpOnly": True, "path": "/"}


@pytest.fixture
def client(redis_server: Server) -> redis.Redis:
    """What looks into the server from outside."""
    return redis.Redis(port=redis_server.port or 0, decode_responses=True)


@pytest.mark.gen_test
async def test_a_session_is_a_string_under_sess_that_expires_by_itself(
    redis_server: Server, client: redis.Redis
) -> None:
    store, record = RedisStore(redis_server.url, layout="express"), a_record()
    key = a_key()
    await store.insert(key, record)
    assert client.type(f"sess:{key}") == "string"
    assert client.pexpiretime(f"sess:{key}") == round(record.expires * 1000)
    await store.touch(key, record.expires + 500)
    assert client.pexpiretime(f"sess:{key}") == round((record.expires + 500) * 1000)
    assert key in [each async for each in store.keys()]
    assert await store.delete(key)
    await store.close()
    client.close()


@pytest.mark.gen_test
async def test_a_key_that_lives_for_ever_goes_on_to(redis_server: Server, client: redis.Redis, own: str) -> None:
    """As connect-redis writes them with disableTTL."""
    store, key = RedisStore(redis_server.url, prefix=own, layout="express"), own + ID
    client.set(key, json.dumps({"cookie": COOKIE}))
    loaded = await store.load(ID)
    assert loaded
    assert 86_370 < loaded.expires - time.time() <= 86_400
    assert await store.touch(ID, time.time() + 60) is True
    assert client.ttl(key) == -1
    assert await store.replace(ID, with_changes(loaded, data='{"a":1}', token="a"), loaded) is True
    assert client.ttl(key) == -1
    assert json.loads(str(client.get(key)))["a"] == 1
    loaded = await store.load(ID)
    assert loaded
    assert await store.replace(ID, with_changes(loaded, expires=0.0, token="b"), loaded) is True
    assert not client.exists(key)
    await store.close()
    client.close()


@pytest.mark.gen_test
async def test_a_key_of_another_kind_is_left_as_it_is(redis_server: Server, client: redis.Redis, own: str) -> None:
    store = RedisStore(redis_server.url, prefix=own, layout="express")
    native = RedisStore(redis_server.url, prefix=own)
    key = a_key()
    await native.insert(key, a_record())
    for call in (store.load(key), store.insert(key, a_record()), store.replace(key, a_record(), a_record())):
        with pytest.raises(StoreUnavailable):
            await call
    assert await native.load(key)
    assert [each async for each in store.keys()] == []
    await store.close()
    await native.close()
    client.close()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layout": "connect-redis"}, '"native" or "express"'),
        ({"ttl": 60}, r'ttl= is an option of layout="express"'),
        ({"layout": "express", "ttl": 0}, "ttl="),
        ({"layout": "express", "ttl": "60"}, "ttl="),
        ({"layout": "express", "stringify": False}, "stringify"),
    ],
)
def test_a_wrong_set_up_is_a_clear_error(options: dict[str, object], says: str, make_server: MakeServer) -> None:
    with pytest.raises(ConfigError, match=says):
        make_server({}).session.store.use("redis", url="redis://localhost", **options)
