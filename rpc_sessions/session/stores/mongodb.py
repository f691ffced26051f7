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

    from pymongo import AsyncMongoClient
    from pymongo.asynchronous.collection import AsyncCollection

    Client: TypeAlias = AsyncMongoClient[dict[str, Any]]

_PATIENCE_MS = 5_000  # PyMongo's own 30 s would outlast the deadline of a call


class MongoStore:
    """A store over one collection.

    uri: "mongodb://host:27017", or client: a client, or a function that makes one (called in the
    process and loop that will use it, so it suits ``processes=2``). database, collection: names.
    A client that was passed in ready is left open by ``close``; ours is closed.
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
        self._make = client if inspect.isroutine(client) or isinstance(client, type | partial) else None
        self._client = _async_client(client) if client is not None and self._make is None else None
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
                return False
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
            result = await self._sessions().delete_one({"_id": key})
        return result.deleted_count == 1

    async def gc(self, now: float) -> int:
        """The TTL index does this by itself; here for a server whose sweep is switched off."""
        with _failures():
            result = await self._sessions().delete_many({"expires": {"$lte": _date(now)}})
        return result.deleted_count

    async def close(self) -> None:
        client, self._client, self._collection = self._client, None, None
        if client is not None and self._owned:
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
            from pymongo import WriteConcern

            if self._client is None:
                self._client = _async_client(self._make()) if self._make else _connect(self._uri)
            # Acknowledged means: on a majority, so no fail-over takes a log-out back.
            self._collection = self._client[self._database].get_collection(
                self._name, write_concern=WriteConcern(w="majority")
            )
        return self._collection

    async def _ensure_indexes(self) -> None:
        if not self._indexed:
            await self._sessions().create_index("expires", expireAfterSeconds=0)
            await self._sessions().create_index("user_id", sparse=True)
            self._indexed = True


def _connect(uri: str | None) -> Client:
    from pymongo import AsyncMongoClient

    if "serverselectiontimeoutms=" in (uri or "").lower():
        return AsyncMongoClient(uri)
    return AsyncMongoClient(uri, serverSelectionTimeoutMS=_PATIENCE_MS)


def _async_client(client: object) -> Client:
    """The client, if it is an asynchronous one. Both drivers answer True to hasattr, so its class decides."""
    names = {f"{cls.__module__.split('.')[0]}.{cls.__name__}" for cls in type(client).__mro__}
    if names & {"pymongo.AsyncMongoClient", "motor.AgnosticClient", "motor.AsyncIOMotorClient"}:
        return client  # type: ignore[return-value]  # Motor's has the same methods
    if "pymongo.MongoClient" in names:
        raise ConfigError("the mongodb store needs pymongo.AsyncMongoClient: MongoClient would block the server")
    raise ConfigError(f"client= takes an AsyncMongoClient, an AsyncIOMotorClient or a function, not {client!r}")


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
