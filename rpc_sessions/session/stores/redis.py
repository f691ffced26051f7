"""Sessions in Redis, through redis-py's asyncio clients: one server, Sentinel, or Cluster.

    <prefix><key>            a hash: data, created, user_id (if somebody is logged in), token; it expires by itself
    <prefix>user:<user_id>   a sorted set: the keys of the user's sessions by their expiry, in milliseconds

A script touches one key only, so that it runs on a Cluster. The index of a user is written before the
session, so it never lacks one; what it has too much is seen when it is read, and falls out with time.

What an acknowledged session is worth is the server's setting. ``appendonly yes`` with ``appendfsync always``
loses nothing, ``everysec`` (its default) up to a second, snapshots alone what came after the last one.
A replica that takes over may lack the last writes. With ``maxmemory``, the policy has to be ``noeviction``:
then a full server refuses new sessions (StoreUnavailable), where any other policy ends those of somebody else.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

from rpc_sessions.errors import ConfigError, StoreUnavailable
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.extras import extra
from rpc_sessions.session.stores.redis_client import Reader, asynchronous, maker

if TYPE_CHECKING:
    from rpc_sessions.session.stores.redis_client import Client

# The compare-and-swap, of insert and replace. ARGV: which of the two, the token expected, the expiry in
# milliseconds, then the fields and their values; with three of them nobody is logged in. A full server refuses the
# first write of a script, and none that follow: so the one that takes memory comes first.
_WRITE = """
local token = redis.call('HGET', KEYS[1], 'token')
if token ~= (ARGV[1] == 'replace' and ARGV[2]) then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 4))
if #ARGV == 9 then redis.call('HDEL', KEYS[1], 'user_id') end
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
return 1
"""
# ARGV: now, the session's key, its expiry. The index lives as long as the last session in it.
_INDEX = """
redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[2])
redis.call('PEXPIREAT', KEYS[1], redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
"""

_log = logging.getLogger(__name__)


class RedisStore:
    """A store in one Redis, or one Cluster.

    url: "redis://host:6379/0", "rediss://..." with TLS, "unix://...",
    "redis+sentinel://host:26379,other:26379/service" or "redis+cluster://host:6379,other:6379"
    (each with user:password@ of the data servers; ``rediss+``: with TLS), or
    client: a redis.asyncio client, or a function that makes one (called in the process and loop that will
    use it, so it suits ``processes=2``). prefix: of all keys.
    A client that was passed in ready is left open by ``close``; ours is closed.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Client | Callable[[], Client] | None = None,
        prefix: str = "rpc_sessions:",
    ) -> None:
        if (url is None) == (client is None):
            raise ConfigError('the redis store takes url="redis://...", or client=')
        with extra("redis"):
            import redis.asyncio  # noqa: F401
        self._make: Callable[[], object] = client if callable(client) else lambda: client
        self._owned = url is not None or callable(client)
        if url is not None:
            self._make = maker(url)
        elif not self._owned:
            asynchronous(client)
        self._prefix = prefix
        self._client: Client | None = None
        self._reader: Reader | None = None
        self._scripts: dict[str, Any] = {}  # Any: redis-py's AsyncScript
        self._checked = False

    @property
    def forks(self) -> bool:
        """Whether each process can make its own client."""
        return self._owned

    async def load(self, key: str) -> Record | None:
        with _failures():
            *fields, expires = await self._reads().read(self._prefix + key)
        return None if expires == -2 else _record(key, fields, expires)

    async def insert(self, key: str, record: Record) -> bool:
        with _failures():
            await self._warn_of_eviction()
            return await self._write(key, record, "insert")

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        with _failures():
            done = await self._write(key, record, "replace", expected.token)
            if done and expected.user_id is not None and record.expires <= time.time():
                await self._forget(key, expected.user_id)  # it was retired: the key is dead for good
        return done

    async def touch(self, key: str, expires: float) -> bool:
        with _failures():
            client = self._connected()
            user_id = await client.hget(self._prefix + key, "user_id")
            if user_id is not None:
                await self._index(key, _text(user_id), expires)
            return bool(await client.pexpireat(self._prefix + key, _milliseconds(expires)))

    async def delete(self, key: str) -> bool:
        with _failures():
            client = self._connected()
            user_id = await client.hget(self._prefix + key, "user_id")
            done = await client.delete(self._prefix + key)
            if user_id is not None:
                await self._forget(key, _text(user_id))
        return bool(done)

    async def gc(self, now: float) -> int:
        """Redis does this by itself."""
        return 0

    async def close(self) -> None:
        client, self._client, self._reader = self._client, None, None
        self._scripts.clear()
        if client is None or not self._owned:
            return
        sentinel = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
        for each in (client, *getattr(sentinel, "sentinels", ())):
            await each.aclose()

    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        with _failures():
            members = await self._connected().zrange(self._user(user_id), 0, -1)
        keys = [_text(cast("str | bytes", member)) for member in members]
        records = await asyncio.gather(*(self.load(key) for key in keys))
        return [(key, rec) for key, rec in zip(keys, records, strict=True) if rec and rec.user_id == user_id]

    async def keys(self) -> AsyncIterator[str]:
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", self._prefix) + "*"
        seen = set()  # SCAN may return a key twice
        with _failures():
            async for name in self._connected().scan_iter(match=pattern, count=1000, _type="hash"):
                if name not in seen:
                    seen.add(name)
                    yield _text(name).removeprefix(self._prefix)

    async def _write(self, key: str, record: Record, mode: str, expected: str = "") -> bool:
        fields = {"data": record.data, "created": repr(record.created), "token": record.token}
        if record.user_id is not None:
            fields["user_id"] = record.user_id
            await self._index(key, record.user_id, record.expires)
        pairs = [part for pair in fields.items() for part in pair]
        name, expires = self._prefix + key, _milliseconds(record.expires)
        return bool(await self._run(_WRITE, name, mode, expected, expires, *pairs))

    async def _index(self, key: str, user_id: str, expires: float) -> None:
        await self._run(_INDEX, self._user(user_id), _milliseconds(time.time()), key, _milliseconds(expires))

    async def _forget(self, key: str, user_id: str) -> None:
        await self._connected().zrem(self._user(user_id), key)

    def _user(self, user_id: str) -> str:
        return f"{self._prefix}user:{user_id}"

    async def _run(self, script: str, key: str, *args: str | int) -> Any:
        client = self._connected()
        if script not in self._scripts:
            self._scripts[script] = client.register_script(script)
        return await self._scripts[script](keys=[key], args=args)

    def _connected(self) -> Client:
        """The client; it is made on first use, in the loop that uses it."""
        if self._client is None:
            self._client = asynchronous(self._make())
        return self._client

    def _reads(self) -> Reader:
        if self._reader is None:
            self._reader = Reader(self._connected())
        return self._reader

    async def _warn_of_eviction(self) -> None:
        if self._checked:
            return
        self._checked = True
        from redis.exceptions import ResponseError

        with suppress(ResponseError):  # INFO may be forbidden
            info = await self._connected().info("memory")
            if info.get("maxmemory") and info.get("maxmemory_policy") != "noeviction":
                _log.warning(
                    "Redis evicts keys when it is full (maxmemory-policy %s), and so ends sessions: set noeviction",
                    info["maxmemory_policy"],
                )


@contextmanager
def _failures() -> Iterator[None]:
    from redis.exceptions import RedisClusterException, RedisError

    try:
        yield
    except (RedisError, RedisClusterException, OSError) as error:
        raise StoreUnavailable from error


def _record(key: str, fields: list[str | bytes | None], milliseconds: int) -> Record:
    data, created, user_id, token = (None if field is None else _text(field) for field in fields)
    if data is None or created is None or token is None or milliseconds < 0:
        _log.error("the session at %s is corrupt: a field or its expiry is missing. It is left as it is", key)
        raise StoreUnavailable("A session is corrupt")
    return Record(data, float(created), milliseconds / 1000, user_id, token)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
