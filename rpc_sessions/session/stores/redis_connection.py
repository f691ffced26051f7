"""What both layouts of the Redis store work with: one client, its scripts, reads that share a round trip, scans."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rpc_sessions.errors import ConfigError
from rpc_sessions.session.stores.extras import extra
from rpc_sessions.session.stores.redis_client import asynchronous, maker
from rpc_sessions.session.stores.redis_reads import Reads, reads_with

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from rpc_sessions.session.stores.redis_client import Client

_log = logging.getLogger(__name__)


class Connection:
    """A client, made on first use. url, client: as RedisStore takes them. Its methods raise what redis-py raises."""

    def __init__(self, url: str | None, client: Client | Callable[[], Client] | None) -> None:
        if (url is None) == (client is None):
            raise ConfigError('the redis store takes url="redis://...", or client=')
        with extra("redis"):
            import redis.asyncio  # noqa: F401 (to see that it is there)
        self._make: Callable[[], object] = client if callable(client) else lambda: client
        self.owned = url is not None or callable(client)
        if url is not None:
            self._make = maker(url)
        elif not self.owned:
            asynchronous(client)
        self._client: Client | None = None
        self._reads: dict[str, Reads] = {}
        self._scripts: dict[str, Any] = {}  # Any: redis-py's AsyncScript
        self._checked = False
        self.beside: set[Redis] = set()  # clients of one server in a Cluster, closed with ours

    @property
    def client(self) -> Client:
        """The client; it is made on first use, in the loop that uses it."""
        if self._client is None:
            self._client = asynchronous(self._make())
        return self._client

    async def run(self, script: str, name: str, *args: str | int) -> Any:
        """What a script on one key returns."""
        client = self.client
        if script not in self._scripts:
            self._scripts[script] = client.register_script(script)
        return await self._scripts[script](keys=[name], args=args)

    def read(self, script: str, name: str) -> Awaitable[Any]:
        """What a script without arguments returns, that reads one key; see Reads."""
        reads = self._reads.get(script)
        if reads is None:
            reads = self._reads[script] = reads_with(self.client, script)
        return reads.read(name)

    async def scan(self, prefix: str, kind: str) -> AsyncIterator[str]:
        """What follows the prefix, in the name of each key of this kind ("hash", "string")."""
        pattern = re.sub(r"([*?\[\]\\])", r"\\\1", prefix) + "*"
        seen = set()  # SCAN may return a key twice
        async for name in self.client.scan_iter(match=pattern, count=1000, _type=kind):
            if name not in seen:
                seen.add(name)
                yield text(name).removeprefix(prefix)

    async def warn_of_eviction(self) -> None:
        """Once, if this server ends somebody's session when it is full."""
        if self._checked:
            return
        self._checked = True
        from redis.exceptions import ResponseError

        with suppress(ResponseError):  # INFO may be forbidden
            info = await self.client.info("memory")
            if info.get("maxmemory") and info.get("maxmemory_policy") != "noeviction":
                _log.warning(
                    "Redis evicts keys when it is full (maxmemory-policy %s), and so ends sessions: set noeviction",
                    info["maxmemory_policy"],
                )

    async def close(self) -> None:
        """Close the client, if it is ours. The next use makes another."""
        client, self._client = self._client, None
        reads, self._reads = self._reads, {}
        self._scripts.clear()
        for each in reads.values():
            await each.close()
        if client is None or not self.owned:
            return
        sentinel = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
        for server in (client, *getattr(sentinel, "sentinels", ()), *self.beside):
            await server.aclose()


def text(value: str | bytes) -> str:
    """What a client answered, which may decode or not."""
    return value.decode() if isinstance(value, bytes) else value
