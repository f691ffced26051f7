"""Sessions in Redis, through redis-py's asyncio clients: one server, Sentinel, or Cluster.

redis_native.py and redis_express.py say what lies where.

What an acknowledged session is worth is the server's setting. ``appendonly yes`` with ``appendfsync always``
loses nothing, ``everysec`` (its default) up to a second, snapshots alone what came after the last one.
A replica that takes over may lack the last writes. With ``maxmemory``, the policy has to be ``noeviction``:
then a full server refuses new sessions (StoreUnavailable), where any other policy ends those of somebody else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.express import checked_ttl, is_express
from rpc_sessions.session.stores.redis_connection import Connection
from rpc_sessions.session.stores.redis_express import PREFIX, TTL, ExpressLayout
from rpc_sessions.session.stores.redis_native import Layout, NativeLayout
from rpc_sessions.types import Seconds

if TYPE_CHECKING:
    from rpc_sessions.session.stores.redis_client import Client


class RedisStore:
    """A store in one Redis, or one Cluster.

    url: "redis://host:6379/0", "rediss://..." with TLS, "unix://...",
    "redis+sentinel://host:26379,other:26379/service" or "redis+cluster://host:6379,other:6379"
    (each with user:password@ of the data servers; ``rediss+``: with TLS), or
    client: a redis.asyncio client, or a function that makes one (called in the process and loop that will
    use it, so it suits ``processes=2``). prefix: of all keys, "rpc_sessions:" if it is not given.
    A client that was passed in ready is left open by ``close``; ours is closed. For reads there is one connection
    more, opened as the client opens its own; but not in a Cluster.

    layout: "native", or "express" to share sessions with connect-redis. The prefix is "sess:" then, and there
    is one more option, ttl (seconds, or a timedelta), as connect-redis's of this name.
    """

    sweeps_itself = True

    def __init__(
        self,
        url: str | None = None,
        *,
        client: Client | Callable[[], Client] | None = None,
        prefix: str | None = None,
        layout: str = "native",
        ttl: Seconds | None = None,
    ) -> None:
        self.plain_ids = is_express(layout, ttl=ttl)
        self._redis = Connection(url, client)
        self._layout: Layout = NativeLayout(self._redis, "rpc_sessions:" if prefix is None else prefix)
        if self.plain_ids:
            self._layout = ExpressLayout(self._redis, PREFIX if prefix is None else prefix, checked_ttl(ttl, TTL))

    @property
    def forks(self) -> bool:
        """Whether each process can make its own client."""
        return self._redis.owned

    async def load(self, key: str) -> Record | None:
        with _FAILURES:
            return await self._layout.load(key)

    async def insert(self, key: str, record: Record) -> bool:
        with _FAILURES:
            await self._redis.warn_of_eviction()
            return await self._layout.insert(key, record)

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        with _FAILURES:
            return await self._layout.replace(key, record, expected)

    async def touch(self, key: str, expires: float) -> bool:
        with _FAILURES:
            return await self._layout.touch(key, expires)

    async def delete(self, key: str) -> bool:
        with _FAILURES:
            return await self._layout.delete(key)

    async def gc(self, now: float) -> int:
        """Redis does this by itself."""
        return 0

    async def close(self) -> None:
        await self._redis.close()

    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        with _FAILURES:
            return await self._layout.find_by_user(user_id)

    async def keys(self) -> AsyncIterator[str]:
        with _FAILURES:
            async for key in self._redis.scan(self._layout.prefix, self._layout.kind):
                if self._layout.is_key(key):
                    yield key

    async def watch(self) -> AsyncGenerator[str | None, None]:
        """It holds a connection. With the layout of Express, Redis must have notify-keyspace-events set to "Kg$x"."""
        with _FAILURES:
            async with aclosing(self._layout.watch()) as told:
                async for key in told:
                    if key is None or self._layout.is_key(key):
                        yield key


class _Failures:
    """What the driver raises in the block becomes StoreUnavailable. No generator: that would cost as much as a read."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        from redis.exceptions import RedisClusterException, RedisError

        if isinstance(error, RedisError | RedisClusterException | OSError):
            raise StoreUnavailable from error


_FAILURES = _Failures()
