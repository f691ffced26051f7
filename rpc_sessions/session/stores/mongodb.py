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
from typing import TYPE_CHECKING, Any, TypeAlias

from rpc_sessions.errors import ConfigError, StoreUnavailable
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.express import checked_ttl, is_express
from rpc_sessions.session.stores.joined_reads import JoinedReads
from rpc_sessions.session.stores.mongodb_calls import FAREWELL, Calls, to_the_end
from rpc_sessions.session.stores.mongodb_express import TTL, ExpressLayout
from rpc_sessions.session.stores.mongodb_native import Layout, NativeLayout, date, is_live
from rpc_sessions.session.stores.mongodb_watch import changed
from rpc_sessions.types import Seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from motor.motor_asyncio import AsyncIOMotorClient
    from pymongo import AsyncMongoClient

    from rpc_sessions.session.stores.mongodb_native import Collection, Fields

    Client: TypeAlias = AsyncMongoClient[Any] | AsyncIOMotorClient[Any]

_PATIENCE_MS = 5_000
_OTHER_OPTIONS = (85, 86)  # IndexOptionsConflict, IndexKeySpecsConflict


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
        _check_uri(uri)
        _check_asynchronous(client)
        self.plain_ids = is_express(layout, stringify=stringify, ttl=ttl)
        self._layout: Layout = NativeLayout()
        if self.plain_ids:
            self._layout = ExpressLayout(stringify=stringify is not False, ttl=checked_ttl(ttl, TTL))
        self._make = client if inspect.isroutine(client) or isinstance(client, type | partial) else None
        self._client: AsyncMongoClient[Any] | None = None
        if client is not None and self._make is None:
            self._client = _async_client(client)
        self._owned = self._client is None
        self._uri, self._database, self._name = uri, database, collection
        self._collection: Collection | None = None
        self._indexed = False
        self._reads: JoinedReads[Fields | None] = JoinedReads(self._find)
        self.calls = Calls()

    @property
    def forks(self) -> bool:
        """Whether each process can make its own client."""
        return self._owned

    async def load(self, key: str) -> Record | None:
        with _failures():
            document = await self._reads.read(key)
            return self._layout.record(document) if document and is_live(document) else None

    async def _find(self, keys: Sequence[str]) -> Sequence[Fields | Exception | None]:
        from bson.errors import InvalidBSON

        if len(keys) == 1:
            return [await self._sessions().find_one({"_id": keys[0]})]
        try:
            found = await self._sessions().find({"_id": {"$in": keys}}).to_list(None)
        except InvalidBSON:  # of one of them, which is no fault of the others
            return [await self._find_alone(key) for key in keys]
        by_key = {document["_id"]: document for document in found}
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

        fields = self._layout.fields(record)
        with _failures():
            if not self._indexed:
                await self._ensure_indexes()
            try:
                await self._sessions().insert_one({"_id": key, **fields})
            except DuplicateKeyError:
                # Unless it has expired, and only waits for its sweep; or it is this one, sent again by the driver.
                expired = {"_id": key, "expires": {"$lte": date(time.time())}}
                same = {"_id": key, "token": record.token}
                result = await self._sessions().update_one({"$or": [expired, same]}, {"$set": fields})
                return result.matched_count == 1
        return True

    @to_the_end
    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        with _failures():
            return await self._layout.swap(self._sessions(), key, record, expected)

    @to_the_end
    async def touch(self, key: str, expires: float) -> bool:
        wanted = {"_id": key, **self._layout.live()}
        with _failures():
            result = await self._sessions().update_one(wanted, {"$set": {"expires": date(expires)}})
        return result.matched_count == 1

    @to_the_end
    async def delete(self, key: str) -> bool:
        with _failures():
            document = await self._sessions().find_one_and_delete({"_id": key}, {"expires": 1})
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
            await self.calls.end()
        self._client = self._collection = None

    @to_the_end
    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        with _failures():
            return await self._layout.find_by_user(self._sessions(), user_id)

    async def keys(self) -> AsyncIterator[str]:
        with _failures():
            async for document in self._sessions().find(self._layout.live(), {"_id": 1}):
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
            from pymongo import ReadPreference, WriteConcern

            if self._client is None:
                self._client = _async_client(self._make()) if self._make else _connect(self._uri)
            # Acknowledged means: in the journals of a majority, so neither a fail-over nor a power cut takes a log-out
            # back. Read from the primary, whatever the uri prefers: a secondary may not have the log-in yet.
            self._collection = self._client[self._database].get_collection(
                self._name, self._layout.options(), ReadPreference.PRIMARY, WriteConcern("majority", j=True)
            )
        return self._collection

    @to_the_end
    async def _ensure_indexes(self) -> None:
        for field, options in self._layout.indexes.items():
            await self._create_index(field, options)
        self._indexed = True

    async def _create_index(self, field: str, options: Fields) -> None:
        from pymongo.errors import OperationFailure

        try:
            await self._sessions().create_index(field, **options)
        except OperationFailure as error:
            # In the layout of another application it may be there with other options: those are its own affair.
            if not (self.plain_ids and error.code in _OTHER_OPTIONS):
                raise


def _check_uri(uri: str | None) -> None:
    """ConfigError for what is no uri of MongoDB; mongodb+srv would ask the DNS, and is left for its first use."""
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    if uri is not None and not uri.startswith("mongodb+srv://"):
        try:
            parse_uri(uri)
        except (PyMongoError, ValueError) as error:
            raise ConfigError(f"uri= of the mongodb store: {error}") from error


def _connect(uri: str | None) -> AsyncMongoClient[dict[str, Any]]:
    from pymongo import AsyncMongoClient

    if "timeoutms=" in (uri or "").lower():
        return AsyncMongoClient(uri)
    # PyMongo's own 30 s, and its endless wait for a server that hangs, would outlast the deadline of a call.
    return AsyncMongoClient(uri, serverSelectionTimeoutMS=_PATIENCE_MS, timeoutMS=_PATIENCE_MS)


def _async_client(client: object) -> AsyncMongoClient[dict[str, Any]]:
    """The client, if it is an asynchronous one. Both drivers answer True to hasattr, so its class decides."""
    _check_asynchronous(client)
    if _class_names(type(client)) & {"pymongo.AsyncMongoClient", "motor.AgnosticClient", "motor.AsyncIOMotorClient"}:
        return client  # type: ignore[return-value]  # Motor's has the same methods
    raise ConfigError(f"client= takes an AsyncMongoClient, an AsyncIOMotorClient or a function, not {client!r}")


def _check_asynchronous(client: object) -> None:
    """ConfigError for a MongoClient, its class, or a partial of it."""
    made = client.func if isinstance(client, partial) else client
    if "pymongo.MongoClient" in _class_names(made if isinstance(made, type) else type(made)):
        raise ConfigError("the mongodb store needs pymongo.AsyncMongoClient: MongoClient would block the server")


def _class_names(cls: type) -> set[str]:
    return {f"{base.__module__.split('.')[0]}.{base.__name__}" for base in cls.__mro__}


@contextmanager
def _failures() -> Iterator[None]:
    """Driver errors as StoreUnavailable; what is wrong with the document itself stays as it is."""
    from pymongo.errors import DocumentTooLarge, PyMongoError

    try:
        yield
    except DocumentTooLarge as error:
        raise ValueError(f"the session is larger than MongoDB can hold: {error}") from error
    except PyMongoError as error:
        raise StoreUnavailable from error
