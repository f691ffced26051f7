"""The contract of a store, on each ``layout="express"``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from redis.asyncio import Redis

from rpc_sessions.session.stores.base import Store
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.testing import StoreContract
from tests.stores.servers import Server


class InMongo(StoreContract):
    verbatim = False

    @pytest.fixture(autouse=True)
    def _mongo(self, mongo_uri: str, mongo_database: str) -> None:
        self.uri, self.database = mongo_uri, mongo_database


class TestMongoByPyMongo(InMongo):
    async def make_store(self) -> Store:
        return MongoStore(client=lambda: AsyncMongoClient(self.uri), database=self.database, layout="express")


class TestMongoByMotor(InMongo):
    async def make_store(self) -> Store:
        return MongoStore(client=lambda: AsyncIOMotorClient(self.uri), database=self.database, layout="express")


class TestMongoEmbeddedByPyMongo(InMongo):
    async def make_store(self) -> Store:
        return MongoStore(self.uri, database=self.database, layout="express", stringify=False)


class TestMongoEmbeddedByMotor(InMongo):
    async def make_store(self) -> Store:
        self.client = AsyncIOMotorClient[Any](self.uri)
        return MongoStore(client=self.client, database=self.database, layout="express", stringify=False)

    async def drop_store(self, store: Store) -> None:
        await store.close()
        self.client.close()


class InRedis(StoreContract):
    verbatim = False

    @pytest.fixture(autouse=True)
    def _redis(self, redis_server: Server, own: str) -> None:
        self.url, self.prefix = redis_server.url, f"{own}:[*]"


class TestRedisByUrl(InRedis):
    async def make_store(self) -> Store:
        return RedisStore(self.url, prefix=self.prefix, layout="express")


class TestRedisByClient(InRedis):
    async def make_store(self) -> Store:
        return RedisStore(client=self.make_client, prefix=self.prefix, layout="express")

    def make_client(self) -> Redis:
        return Redis.from_url(self.url, decode_responses=True)


class TestRedisCluster(StoreContract):
    verbatim = False

    @pytest.fixture(autouse=True)
    def _cluster(self, redis_cluster_url: str, own: str) -> None:
        self.url, self.prefix = redis_cluster_url, f"{own}:"

    async def make_store(self) -> Store:
        return RedisStore(self.url, prefix=self.prefix, layout="express")


class TestFile(StoreContract):
    verbatim = False

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path / "sessions"

    async def make_store(self) -> Store:
        return FileStore(self.folder, layout="express")
