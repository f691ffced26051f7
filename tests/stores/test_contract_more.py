"""The contract of a store, on files, Redis and SQL databases."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import create_async_engine

from rpc_sessions.session.stores.base import Store
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.session.stores.sql import SQLStore
from rpc_sessions.testing import StoreContract
from tests.stores.servers import Server


class TestFile(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "sessions"

    async def make_store(self) -> Store:
        return FileStore(self.folder)


class InRedis(StoreContract):
    @pytest.fixture(autouse=True)
    def _redis(self, redis_server: Server, own: str) -> None:
        self.url, self.prefix = redis_server.url, f"{own}:[*]"


class TestRedisByUrl(InRedis):
    async def make_store(self) -> Store:
        return RedisStore(self.url, prefix=self.prefix)


class TestRedisByClient(InRedis):
    async def make_store(self) -> Store:
        self.client = Redis.from_url(self.url, decode_responses=True)
        return RedisStore(client=self.client, prefix=self.prefix)

    async def drop_store(self, store: Store) -> None:
        await store.close()
        assert await self.client.ping()  # what was passed in is left open
        await self.client.aclose()


class TestRedisSentinel(StoreContract):
    @pytest.fixture(autouse=True)
    def _sentinel(self, redis_sentinel_url: str, own: str) -> None:
        self.url, self.prefix = redis_sentinel_url, f"{own}:"

    async def make_store(self) -> Store:
        return RedisStore(self.url, prefix=self.prefix)


class TestRedisCluster(StoreContract):
    @pytest.fixture(autouse=True)
    def _cluster(self, redis_cluster_url: str, own: str) -> None:
        self.url, self.prefix = redis_cluster_url, f"{own}:"

    async def make_store(self) -> Store:
        return RedisStore(self.url, prefix=self.prefix)


class TestSQLite(StoreContract):
    @pytest.fixture(autouse=True)
    def _sqlite(self, tmp_path: Path) -> None:
        self.url = f"sqlite+aiosqlite:///{tmp_path}/sessions.db"

    async def make_store(self) -> Store:
        return SQLStore(self.url)


class TestPostgreSQL(StoreContract):
    @pytest.fixture(autouse=True)
    def _postgresql(self, postgresql: Server, own: str) -> None:
        self.url, self.table = postgresql.url, own

    async def make_store(self) -> Store:
        return SQLStore(self.url, table=self.table)


class TestPostgreSQLByEngine(TestPostgreSQL):
    async def make_store(self) -> Store:
        self.engine = create_async_engine(self.url)
        return SQLStore(engine=self.engine, table=self.table)

    async def drop_store(self, store: Store) -> None:
        await store.close()
        async with self.engine.connect():  # what was passed in is left open
            pass
        await self.engine.dispose()


class TestMariaDB(StoreContract):
    @pytest.fixture(autouse=True)
    def _mariadb(self, mariadb: Server, own: str) -> None:
        self.url, self.table = mariadb.url, own

    async def make_store(self) -> Store:
        return SQLStore(self.url, table=self.table)
