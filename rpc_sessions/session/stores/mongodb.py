"""Sessions in MongoDB, through PyMongo's AsyncMongoClient or Motor's AsyncIOMotorClient.

One document a session: ``{_id: key, data, created, expires, user_id, token}``. A TTL index on
``expires`` sweeps; an index on ``user_id`` finds a user's sessions. Both drivers have the same
methods with the same arguments, so one class serves them.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from rpc_sessions.errors import ConfigError, StoreUnavailable
from rpc_sessions.session.stores.base import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from motor.motor_asyncio import AsyncIOMotorClient
    from pymongo import AsyncMongoClient
    from pymongo.asynchronous.collection import AsyncCollection

    Client: TypeAlias = AsyncMongoClient[Any] | AsyncIOMotorClient[Any]

_PATIENCE_MS = 5_000


class MongoStore:
    """A store over one collection.

    uri: "mongodb://host:27017", or client: a client, or a function that makes one (called in the
    process and loop that will use it, so it suits ``processes=2``). database, collection: names.
    A client that was passed in ready is left open by ``close``; ours is closed. With a uri that names
    no timeout, a server that is away or hangs is StoreUnavailable after 5 seconds.
    """

    def __init__(
        self,
        uri: str | None = None,
        *,
        client: Client | Callable[[], Client] | None = None,
        database: str = "app",
        collection: str = "sessions",
    ) -> None:
        if (uri is None) == (client is None):
            raise ConfigError('the mongodb store takes uri="mongodb://...", or client=')
        _check_uri(uri)
        _check_asynchronous(client)
        self._make = client if inspect.isroutine(client) or isinstance(client, type | partial) else None
        self._client: AsyncMongoClient[dict[str, Any]] | None = None
        if client is not None and self._make is None:
            self._client = _async_client(client)
        self._owned = self._client is None
        self._uri, self._database, self._name = uri, database, collection
        self._collection: AsyncCollection[dict[str, Any]] | None = None
        self._indexed = False

    @property
    def forks(self) -> bool:
        """Whether each process can make its own client."""
        return self._owned

    async def load(self, key: str) -> Record | None:
        with _failures():
            document = await self._sessions().find_one({"_id": key})
        return _record(document) if document and _live(document) else None

    async def insert(self, key: str, record: Record) -> bool:
        from pymongo.errors import DuplicateKeyError

        with _failures():
            await self._ensure_indexes()
            try:
                await self._sessions().insert_one({"_id": key, **_document(record)})
            except DuplicateKeyError:
                # Unless it has expired, and only waits for its sweep.
                expired = {"_id": key, "expires": {"$lte": _date(time.time())}}
                result = await self._sessions().update_one(expired, {"$set": _document(record)})
                return result.matched_count == 1
        return True

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        # update_one with the token in its filter is atomic on the one document.
        wanted = {"_id": key, "token": expected.token, "expires": {"$gt": _date(time.time())}}
        with _failures():
            result = await self._sessions().update_one(wanted, {"$set": _document(record)})
        return result.matched_count == 1

    async def touch(self, key: str, expires: float) -> bool:
        wanted = {"_id": key, "expires": {"$gt": _date(time.time())}}
        with _failures():
            result = await self._sessions().update_one(wanted, {"$set": {"expires": _date(expires)}})
        return result.matched_count == 1

    async def delete(self, key: str) -> bool:
        with _failures():
            document = await self._sessions().find_one_and_delete({"_id": key}, {"expires": 1})
        return document is not None and _live(document)

    async def gc(self, now: float) -> int:
        """The TTL index does this by itself; here for a server whose sweep is switched off."""
        with _failures():
            result = await self._sessions().delete_many({"expires": {"$lte": _date(now)}})
        return result.deleted_count

    async def close(self) -> None:
        if not self._owned:
            return
        client, self._client, self._collection = self._client, None, None
        if client is not None:
            closed: Awaitable[None] | None = client.close()
            if closed is not None:  # Motor's close is an ordinary function
                await closed

    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        with _failures():
            documents = await self._sessions().find({"user_id": user_id}).to_list(None)
        return [(document["_id"], _record(document)) for document in documents if _live(document)]

    async def keys(self) -> AsyncIterator[str]:
        with _failures():
            async for document in self._sessions().find({"expires": {"$gt": _date(time.time())}}, {"_id": 1}):
                yield document["_id"]

    def _sessions(self) -> AsyncCollection[dict[str, Any]]:
        """The collection; the client is made on first use, in the loop that uses it."""
        if self._collection is None:
            from pymongo import ReadPreference, WriteConcern

            if self._client is None:
                self._client = _async_client(self._make()) if self._make else _connect(self._uri)
            # Acknowledged means: on a majority, so no fail-over takes a log-out back. Read from the primary,
            # whatever the uri prefers: a secondary may not have the log-in yet.
            self._collection = self._client[self._database].get_collection(
                self._name, write_concern=WriteConcern(w="majority"), read_preference=ReadPreference.PRIMARY
            )
        return self._collection

    async def _ensure_indexes(self) -> None:
        if not self._indexed:
            await self._sessions().create_index("expires", expireAfterSeconds=0)
            await self._sessions().create_index("user_id", sparse=True)
            self._indexed = True


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


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(date: datetime) -> float:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _live(document: Mapping[str, Any]) -> bool:
    return _seconds(document["expires"]) > time.time()


def _document(record: Record) -> dict[str, Any]:
    return {
        "data": record.data,
        "created": _date(record.created),
        "expires": _date(record.expires),
        "user_id": record.user_id,
        "token": record.token,
    }


def _record(document: Mapping[str, Any]) -> Record:
    created, expires = _seconds(document["created"]), _seconds(document["expires"])
    return Record(document["data"], created, expires, document["user_id"], document["token"])
