"""The stores that are servers of their own, each behind a proxy that can take it away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from motor.motor_asyncio import AsyncIOMotorClient
from redis.asyncio import Redis

from rpc_sessions import Store
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.session.stores.sql import SQLStore
from tests.apps import MakeServer, Site, serving
from tests.session.steps import session_server
from tests.stores.proxy import Proxy

RETRYING = "redis, sent again"  # as redis-py does by itself, if it is not told otherwise
REMOTE = ["mongodb", "motor", "redis", "postgresql", "mariadb"]
# Directly: or the driver would ask the server for its address, and go past the proxy. The rest: quick to notice.
_QUERY = (
    "directConnection=true&timeoutMS=6000&serverSelectionTimeoutMS=1500&connectTimeoutMS=3000&heartbeatFrequencyMS=500"
)


class Remote(NamedTuple):
    """make: a store that goes through the proxy. name: of the store."""

    name: str
    proxy: Proxy
    make: Callable[[], Store]

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """The store, and its server, which is there."""
        async with self.proxy:
            store = self.make()
            yield store
            await store.close()

    @asynccontextmanager
    async def site(self, make_server: MakeServer, **options: Any) -> AsyncIterator[Site]:
        """A server that runs steps, on this store. options: of the server."""
        ss = session_server(make_server)
        for name, value in options.items():
            setattr(ss.options, name, value)
        ss.session.store.use(self.make())
        async with self.proxy, serving(ss) as site:
            yield site


def remote(name: str, url: str, own: str) -> Remote:
    """A store by its name in REMOTE. url: of its server. own: a name for the database, the prefix or the table."""
    parts = urlsplit(url)
    assert parts.port
    proxy = Proxy(parts.port, parts.hostname or "127.0.0.1")
    login, _, _ = parts.netloc.rpartition("@")
    through = parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}" if login else f"127.0.0.1:{proxy.port}")
    return Remote(name, proxy, _maker(name, through.geturl(), own))


def _maker(name: str, url: str, own: str) -> Callable[[], Store]:
    mongo = f"{url.rstrip('/')}/?{_QUERY}"
    makers: dict[str, Callable[[], Store]] = {
        "mongodb": lambda: MongoStore(mongo, database=own),
        "motor": lambda: MongoStore(client=lambda: AsyncIOMotorClient(mongo), database=own),
        "redis": lambda: RedisStore(url, prefix=own),
        RETRYING: lambda: RedisStore(client=lambda: Redis(port=urlsplit(url).port or 0), prefix=own),
        "postgresql": lambda: SQLStore(url, table=own),
        "mariadb": lambda: SQLStore(url, table=own),
    }
    return makers[name]
