"""How the Redis store keeps sessions by default.

    <prefix><key>            a hash: data, created, user_id (if somebody is logged in), token; it expires by itself
    <prefix>user:<user_id>   a sorted set: the keys of the user's sessions by their expiry, in milliseconds
    <prefix>changes          a channel: the name of each session's key that is written or deleted

A script touches one key only, so that it runs on a Cluster. The index of a user is written before the
session, so it never lacks one; what it has too much is seen when it is read, and falls out with time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.damaged import CORRUPT, DamagedError, check_format, checked, skipping_corrupt
from rpc_sessions.session.stores.redis_connection import text
from rpc_sessions.session.stores.redis_watch import published

if TYPE_CHECKING:
    from rpc_sessions.session.stores.redis_connection import Connection

_LOAD = """
local found = redis.call('HMGET', KEYS[1], 'data', 'created', 'user_id', 'token', 'v')
found[6] = redis.call('PEXPIRETIME', KEYS[1])
return found
"""
# The compare-and-swap, of insert and replace. ARGV: which of the two, the token expected, the expiry in
# milliseconds, the channel, then the fields and their values; with three of them nobody is logged in. A client that
# lost the answer may send the command again: it finds its own token (the tenth), and has succeeded. A full server
# refuses the first write of a script, and none that follow: so the one that takes memory comes first. Who may not
# publish may write all the same (pcall).
_WRITE = """
local token = redis.call('HGET', KEYS[1], 'token')
if token ~= (ARGV[1] == 'replace' and ARGV[2]) and token ~= ARGV[10] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 5))
if #ARGV == 10 then redis.call('HDEL', KEYS[1], 'user_id') end
redis.call('PEXPIREAT', KEYS[1], ARGV[3])
redis.pcall('PUBLISH', ARGV[4], KEYS[1])
return 1
"""
# ARGV: the channel. Whether there was a session, and whose.
_DELETE = """
local user_id = redis.call('HGET', KEYS[1], 'user_id')
if redis.call('DEL', KEYS[1]) == 0 then return {0, false} end
redis.pcall('PUBLISH', ARGV[1], KEYS[1])
return {1, user_id}
"""
# ARGV: now, the session's key, its expiry. The index lives as long as the last session in it.
_INDEX = """
redis.call('ZADD', KEYS[1], 'GT', ARGV[3], ARGV[2])
redis.call('PEXPIREAT', KEYS[1], redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
"""


class Layout(Protocol):
    """How a session lies in Redis: a key ``<prefix><key>`` of one kind, that expires by itself.

    The methods are those of a store, and raise what redis-py raises.
    """

    prefix: str
    kind: str

    async def load(self, key: str) -> Record | None: ...
    async def insert(self, key: str, record: Record) -> bool: ...
    async def replace(self, key: str, record: Record, expected: Record) -> bool: ...
    async def touch(self, key: str, expires: float) -> bool: ...
    async def delete(self, key: str) -> bool: ...
    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]: ...
    def is_key(self, key: str) -> bool:
        """Whether what follows the prefix may be the key of a session."""

    def watch(self) -> AsyncGenerator[str | None, None]: ...


class NativeLayout:
    """This library's own."""

    kind = "hash"

    def __init__(self, redis: Connection, prefix: str) -> None:
        self._redis, self.prefix = redis, prefix
        self._changes = f"{prefix}changes"

    def is_key(self, key: str) -> bool:
        return True

    async def load(self, key: str) -> Record | None:
        *fields, expires = await self._redis.read(_LOAD, self.prefix + key)
        return None if expires == -2 else _record(key, fields, expires)

    async def insert(self, key: str, record: Record) -> bool:
        return await self._write(key, record, "insert")

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        done = await self._write(key, record, "replace", expected.token)
        if done and expected.user_id is not None and record.expires <= time.time():
            await self._forget(key, expected.user_id)  # it was retired: the key is dead for good
        return done

    async def touch(self, key: str, expires: float) -> bool:
        user_id = await self._redis.client.hget(self.prefix + key, "user_id")
        if user_id is not None:
            await self.index(key, text(user_id), expires)
        return bool(await self._redis.client.pexpireat(self.prefix + key, _milliseconds(expires)))

    async def delete(self, key: str) -> bool:
        done, user_id = await self._redis.run(_DELETE, self.prefix + key, self._changes)
        if user_id is not None:
            await self._forget(key, text(user_id))
        return bool(done)

    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        members = await self._redis.client.zrange(self._user(user_id), 0, -1)
        keys = [text(cast("str | bytes", member)) for member in members]
        records = await asyncio.gather(*(self._load_sound(key) for key in keys))
        return [(key, rec) for key, rec in zip(keys, records, strict=True) if rec and rec.user_id == user_id]

    async def _load_sound(self, key: str) -> Record | None:
        with skipping_corrupt():
            return await self.load(key)
        return None

    def watch(self) -> AsyncGenerator[str | None, None]:
        return published(self._redis, self._changes, self.prefix)

    async def index(self, key: str, user_id: str, expires: float) -> None:
        """Note a session of the user, or that it lives longer."""
        await self._redis.run(_INDEX, self._user(user_id), _milliseconds(time.time()), key, _milliseconds(expires))

    async def _forget(self, key: str, user_id: str) -> None:
        await self._redis.client.zrem(self._user(user_id), key)

    def _user(self, user_id: str) -> str:
        return f"{self.prefix}user:{user_id}"

    async def _write(self, key: str, record: Record, mode: str, expected: str = "") -> bool:
        fields = {"data": record.data, "created": repr(record.created), "token": record.token}
        if record.user_id is not None:
            fields["user_id"] = record.user_id
            await self.index(key, record.user_id, record.expires)
        pairs = [part for pair in fields.items() for part in pair]
        expires = _milliseconds(record.expires)
        return bool(await self._redis.run(_WRITE, self.prefix + key, mode, expected, expires, self._changes, *pairs))


def _record(key: str, fields: list[Any], milliseconds: int) -> Record:  # Any: str, bytes or None
    where = f"the hash of {key}"
    try:
        data, created, user_id, token, version = (None if field is None else text(field) for field in fields)
        check_format(where, version and int(version))
        if created is None or milliseconds < 0:
            raise ValueError("its beginning, or its expiry, is missing")
        return checked(where, data, float(created), milliseconds / 1000, user_id, token)
    except ValueError as error:  # no number, or no text
        raise StoreUnavailable(CORRUPT) from DamagedError(where, error)


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
