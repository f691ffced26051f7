"""``layout="express"`` in Redis: the keys of connect-redis 9, ``sess:<id>``, each the session JSON as a string.

The key's own expiry is the session's: connect-redis moves that alone, and leaves ``cookie.expires`` stale. A key
without one (connect-redis with ``disableTTL``) lives on, and is written so again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session import merge
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.express import KEY, SessionJSON, milliseconds, parse
from rpc_sessions.session.stores.express_swap import digest, expected_digest, token
from rpc_sessions.session.stores.redis_watch import notified

if TYPE_CHECKING:
    from rpc_sessions.session.stores.redis_connection import Connection

PREFIX = "sess:"
TTL = 86_400.0  # a day: connect-redis's, for cookies without maxAge

_LOAD = "return {redis.call('GET', KEYS[1]), redis.call('PEXPIRETIME', KEYS[1])}"
# The compare-and-swap, of insert and replace. ARGV: the digest expected, "" for insert; the session; its expiry in
# milliseconds, 0 if it has passed.
_WRITE = """
local stored = redis.call('GET', KEYS[1])
if (stored and redis.sha1hex(stored) or '') ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then
    redis.call('DEL', KEYS[1])
elseif redis.call('PTTL', KEYS[1]) == -1 then
    redis.call('SET', KEYS[1], ARGV[2])
else
    redis.call('SET', KEYS[1], ARGV[2], 'PXAT', ARGV[3])
end
return 1
"""
_TOUCH = """
local left = redis.call('PTTL', KEYS[1])
if left >= 0 then redis.call('PEXPIREAT', KEYS[1], ARGV[1]) end
return left == -2 and 0 or 1
"""


class ExpressLayout:
    """connect-redis's. ttl: as its option of that name, in seconds."""

    kind = "string"

    def __init__(self, redis: Connection, prefix: str, ttl: float) -> None:
        self._redis, self.prefix = redis, prefix
        self._json = SessionJSON(ttl)

    def is_key(self, key: str) -> bool:
        return KEY.fullmatch(key) is not None

    async def load(self, key: str) -> Record | None:
        stored, ends = await self._redis.read(_LOAD, self.prefix + key)
        if stored is None:
            return None
        values = parse(stored)
        expires = ends / 1000 if ends >= 0 else time.time() + self._json.idle(values.get("cookie"))
        raw = stored if isinstance(stored, bytes) else stored.encode()
        return self._json.record(values, expires, token(digest(raw), expires))

    async def insert(self, key: str, record: Record) -> bool:
        return await self._write(key, record, "")

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        return await self._write(key, record, expected_digest(expected, lambda each: digest(self._text(each).encode())))

    async def touch(self, key: str, expires: float) -> bool:
        return bool(await self._redis.run(_TOUCH, self.prefix + key, milliseconds(expires)))

    async def delete(self, key: str) -> bool:
        return bool(await self._redis.client.delete(self.prefix + key))

    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        """There is no index on users: it reads every session."""
        found, keys = [], [key async for key in self._redis.scan(self.prefix, self.kind) if self.is_key(key)]
        for start in range(0, len(keys), 1000):
            found += await asyncio.gather(*(self._find(key, user_id) for key in keys[start : start + 1000]))
        return [pair for pair in found if pair]

    def watch(self) -> AsyncGenerator[str | None, None]:
        """Express publishes nothing: Redis's own notices, where they are switched on."""
        return notified(self._redis, self.prefix)

    async def _find(self, key: str, user_id: str) -> tuple[str, Record] | None:
        with suppress(StoreUnavailable):  # no session: no reason to hide the others
            record = await self.load(key)
            return (key, record) if record and record.user_id == user_id else None
        return None

    async def _write(self, key: str, record: Record, expected: str) -> bool:
        ends = milliseconds(record.expires) if record.expires > time.time() else 0
        return bool(await self._redis.run(_WRITE, self.prefix + key, expected, self._text(record), ends))

    def _text(self, record: Record) -> str:
        return merge.pack(self._json.values(record))
