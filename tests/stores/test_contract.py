"""The contract of a store, on every store and every way to set it up."""

from __future__ import annotations

from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient

from rpc_sessions.session.stores.base import Store
from rpc_sessions.session.stores.memory import MemoryStore
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.testing import StoreContract


class TestMemory(StoreContract):
    async def make_store(self) -> Store:
        return MemoryStore()


class Mongo(StoreContract):
    """With the uri of a server, and a database that is the test's own."""

    @pytest.fixture(autouse=True)
    def _mongo(self, mongo_uri: str, mongo_database: str) -> None:
        self.uri = mongo_uri
        self.database = mongo_database


class TestMongoByUri(Mongo):
    async def make_store(self) -> Store:
        return MongoStore(self.uri, database=self.database, collection="other")


class TestMongoByPyMongoClient(Mongo):
    async def make_store(self) -> Store:
        self.client = AsyncMongoClient[Any](self.uri)
        return MongoStore(client=self.client, database=self.database)

    async def drop_store(self, store: Store) -> None:
        await store.close()
        await self.client.admin.command("ping")  # what was passed in is left open
        await self.client.close()


class TestMongoByPyMongoFactory(Mongo):
    async def make_store(self) -> Store:
        return MongoStore(client=lambda: AsyncMongoClient(self.uri), database=self.database)


class TestMongoByMotorClient(Mongo):
    async def make_store(self) -> Store:
        self.client = AsyncIOMotorClient[Any](self.uri)
        return MongoStore(client=self.client, database=self.database)

    async def drop_store(self, store: Store) -> None:
        await store.close()
        await self.client.admin.command("ping")
        self.client.close()


class TestMongoByMotorFactory(Mongo):
    async def make_store(self) -> Store:
        return MongoStore(client=lambda: AsyncIOMotorClient(self.uri), database=self.database)
