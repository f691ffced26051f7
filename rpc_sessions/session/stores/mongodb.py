"""Sessions in MongoDB, through PyMongo's AsyncMongoClient or Motor's AsyncIOMotorClient.

One document a session, laid out by mongodb_native.py or mongodb_express.py. A TTL index on ``expires``
sweeps. Both drivers have the same methods with the same arguments, so one class serves them.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from rpc_sessions.errors import ConfigError, StoreUnavailable
from rpc_sessions.session.merge import UNREADABLE
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.calls import FAREWELL, to_the_end
from rpc_sessions.session.stores.express import checked_ttl, is_express
from rpc_sessions.session.stores.joined_reads import JoinedReads
from rpc_sessions.session.stores.mongodb_express import TTL, ExpressLayout
from rpc_sessions.session.stores.mongodb_native import Layout, NativeLayout, date, is_live, text
from rpc_sessions.session.stores.mongodb_setup import (
    async_client,
    check_asynchronous,
    check_uri,
    collection_of,
    connect,
    create_indexes,
)
from rpc_sessions.session.stores.mongodb_watch import changed
from rpc_sessions.session.unfinished import Unfinished
from rpc_sessions.types import Seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo import AsyncMongoClient

    from rpc_sessions.session.stores.mongodb_native import Collection, Fields
    from rpc_sessions.session.stores.mongodb_setup import Client

_BATCH = 100


class MongoStore:
    """A store over one collection.

    uri: "mongodb://host:27017", or client: a client, or a function that makes one (called in the
    process and loop that will use it, so it suits ``processes=2``). database, collection: names.
    A client that was passed in ready is left open by ``close``; ours is closed. With a uri that names
    no timeout, a server that is away or hangs is StoreUnavailable after 5 seconds.

    layout: "native", or "express" to share sessions with connect-mongo. Two more options then: stringify
    (False: the session is embedded as a document) and ttl (seconds, or a timedelta), as connect-mongo's of these names.
    """

    sweeps_itself = True

    def __init__(
        self,
        uri: str | None = None,
        *,
        client: Client | Callable[[], Client] | None = None,
        database: str = "app",
        collection: str = "sessions",
        layout: str = "native",
        stringify: bool | None = None,
        ttl: Seconds | None = None,
    ) -> None:
        if (uri is None) == (client is None):
            raise ConfigError('the mongodb store takes uri="mongodb://...", or client=')
        check_uri(uri)
        check_asynchronous(client)
        self.plain_ids = is_express(layout, stringify=stringify, ttl=ttl)
        self._layout: Layout = NativeLayout()
        if self.plain_ids:
            self._layout = ExpressLayout(stringify=stringify is not False, ttl=checked_ttl(ttl, TTL))
        self._make = client if inspect.isroutine(client) or isinstance(client, type | partial) else None
        self._client: AsyncMongoClient[Any] | None = None
        if client is not None and self._make is None:
            self._client = async_client(client)
        self._owned = self._client is None
        self._uri, self._database, self._name = uri, database, collection
        self._collection: Collection | None = None
        self._indexed = False
        self._reads: JoinedReads[Fields | None] = JoinedReads(self._find)
        self.calls = Unfinished()

    @property
    def forks(self) -> bool:
        """Whether each process can make its own client."""
        return self._owned

    async def load(self, key: str) -> Record | None:
        with _failures():
            document = await self._reads.read(text(key))
            return self._layout.record(document) if document and is_live(document) else None

    async def _find(self, keys: Sequence[str]) -> Sequence[Fields | Exception | None]:
        from bson.errors import InvalidBSON

        if len(keys) == 1:
            return [await self._sessions().find_one({"_id": keys[0]})]
        try:
            found = await self._sessions().find({"_id": {"$in": keys}}).to_list(None)
            by_key = {document["_id"]: document for document in found}  # in layout express, this decodes them
        except InvalidBSON:  # of one of them, which is no fault of the others
            return [await self._find_alone(key) for key in keys]
        return [by_key.get(key) for key in keys]

    async def _find_alone(self, key: str) -> Fields | Exception | None:
        try:
            found: Fields | None = await self._sessions().find_one({"_id": key})
        except Exception as error:
            return error
        return found

    @to_the_end
    async def insert(self, key: str, record: Record) -> bool:
        from pymongo.errors import DuplicateKeyError

        own, fields = {"_id": text(key)}, self._layout.fields(record)
        with _failures():
            if not self._indexed:
                await self._ensure_indexes()
            for _ in range(2):  # the sweep may take an expired one away between the insert and the update
                try:
                    await self._sessions().insert_one({**own, **fields})
                    return True
                except DuplicateKeyError:
                    # Unless it has expired, and only waits for its sweep; or it is this one, sent again by the driver.
                    expired = {**own, "expires": {"$lte": date(time.time())}}
                    same = {**own, "token": record.token}
                    result = await self._sessions().update_one({"$or": [expired, same]}, {"$set": fields})
                if result.matched_count == 1:
                    return True
        return False

    @to_the_end
    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        with _failures():
            return await self._layout.swap(self._sessions(), key, record, expected)

    @to_the_end
    async def touch(self, key: str, expires: float) -> bool:
        wanted = {"_id": text(key), **self._layout.live()}
        with _failures():
            result = await self._sessions().update_one(wanted, {"$set": {"expires": date(expires)}})
        return result.matched_count == 1

    @to_the_end
    async def delete(self, key: str) -> bool:
        with _failures():
            document = await self._sessions().find_one_and_delete({"_id": text(key)}, {"expires": 1})
        return document is not None and is_live(document)

    @to_the_end
    async def gc(self, now: float) -> int:
        """The TTL index does this by itself; here for a server whose sweep is switched off."""
        with _failures():
            result = await self._sessions().delete_many({"expires": {"$lte": date(now)}})
        return result.deleted_count

    async def close(self) -> None:
        if not self._owned:
            return
        import pymongo

        if self._client is not None:
            with pymongo.timeout(FAREWELL):
                closed: Awaitable[None] | None = self._client.close()
                if closed is not None:  # Motor's close is an ordinary function
                    await closed
            await self._reads.end(FAREWELL)  # they must not find no client, and make one
            await self.calls.end(FAREWELL)
        self._client = self._collection = None

    @to_the_end
    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        with _failures():
            return await self._layout.find_by_user(self._sessions(), user_id)

    async def keys(self) -> AsyncIterator[str]:
        with _failures():
            found = self._sessions().find(self._layout.live(), {"_id": 1})
            while documents := await self.calls.to_the_end(found.to_list(_BATCH)):
                for document in documents:
                    if self._layout.is_key(document["_id"]):
                        yield document["_id"]

    async def watch(self) -> AsyncGenerator[str | None, None]:
        """A replica set can tell. It holds a connection; with Motor also a thread, of those of its executor."""
        with _failures():
            await self._ensure_indexes()  # and so the collection: not every server watches one that is not there
            async with aclosing(changed(self._sessions(), self.calls)) as ids:
                async for id in ids:
                    if id is None or (isinstance(id, str) and self._layout.is_key(id)):
                        yield id

    def _sessions(self) -> Collection:
        """The collection; the client is made on first use, in the loop that uses it."""
        if self._collection is None:
            if self._client is None:
                self._client = async_client(self._make()) if self._make else connect(self._uri)
            self._collection = collection_of(self._client, self._database, self._name, self._layout)
        return self._collection

    @to_the_end
    async def _ensure_indexes(self) -> None:
        await create_indexes(self._sessions(), self._layout.indexes, shared=self.plain_ids)
        self._indexed = True


@contextmanager
def _failures() -> Iterator[None]:
    """Driver errors, and damaged bytes, as StoreUnavailable; what is wrong with a session to store stays as it is."""
    from bson.errors import InvalidBSON
    from pymongo.errors import DocumentTooLarge, PyMongoError

    try:
        yield
    except DocumentTooLarge as error:
        raise ValueError(f"the session is larger than MongoDB can hold: {error}") from error
    except InvalidBSON as error:
        raise StoreUnavailable(UNREADABLE) from error
    except PyMongoError as error:
        raise StoreUnavailable from error
