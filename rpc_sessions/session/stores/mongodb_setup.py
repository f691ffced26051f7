"""What the MongoDB store sets up before its first session: a client that suits it, its collection, its indexes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from rpc_sessions.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from motor.motor_asyncio import AsyncIOMotorClient
    from pymongo import AsyncMongoClient

    from rpc_sessions.session.stores.mongodb_native import Collection, Fields, Layout

    Client: TypeAlias = AsyncMongoClient[Any] | AsyncIOMotorClient[Any]

_PATIENCE_MS = 5_000
_OTHER_OPTIONS = (85, 86)  # IndexOptionsConflict, IndexKeySpecsConflict


def check_uri(uri: str | None) -> None:
    """ConfigError for what is no uri of MongoDB; mongodb+srv would ask the DNS, and is left for its first use."""
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    if uri is not None and not uri.startswith("mongodb+srv://"):
        try:
            parse_uri(uri)
        except (PyMongoError, ValueError) as error:
            raise ConfigError(f"uri= of the mongodb store: {error}") from error


def connect(uri: str | None) -> AsyncMongoClient[dict[str, Any]]:
    """A client of our own, which gives up in time."""
    from pymongo import AsyncMongoClient

    if "timeoutms=" in (uri or "").lower():
        return AsyncMongoClient(uri)
    # PyMongo's own 30 s, and its endless wait for a server that hangs, would outlast the deadline of a call.
    return AsyncMongoClient(uri, serverSelectionTimeoutMS=_PATIENCE_MS, timeoutMS=_PATIENCE_MS)


def async_client(client: object) -> AsyncMongoClient[dict[str, Any]]:
    """The client, if it is an asynchronous one. Both drivers answer True to hasattr, so its class decides."""
    check_asynchronous(client)
    if _class_names(type(client)) & {"pymongo.AsyncMongoClient", "motor.AgnosticClient", "motor.AsyncIOMotorClient"}:
        return client  # type: ignore[return-value]  # Motor's has the same methods
    raise ConfigError(f"client= takes an AsyncMongoClient, an AsyncIOMotorClient or a function, not {client!r}")


def check_asynchronous(client: object) -> None:
    """ConfigError for a MongoClient, its class, or a partial of it."""
    made = client.func if isinstance(client, partial) else client
    if "pymongo.MongoClient" in _class_names(made if isinstance(made, type) else type(made)):
        raise ConfigError("the mongodb store needs pymongo.AsyncMongoClient: MongoClient would block the server")


def _class_names(cls: type) -> set[str]:
    return {f"{base.__module__.split('.')[0]}.{base.__name__}" for base in cls.__mro__}


def collection_of(client: AsyncMongoClient[Any], database: str, name: str, layout: Layout) -> Collection:
    """The collection, with the guarantees that sessions need."""
    from pymongo import ReadPreference, WriteConcern

    # Acknowledged means: in the journals of a majority, so neither a fail-over nor a power cut takes a log-out
    # back. Read from the primary, whatever the uri prefers: a secondary may not have the log-in yet.
    return client[database].get_collection(
        name, layout.options(), ReadPreference.PRIMARY, WriteConcern("majority", j=True)
    )


async def create_indexes(sessions: Collection, indexes: Mapping[str, Fields], *, shared: bool) -> None:
    """Create the indexes that are not there. PyMongoError while the server is away.

    indexes: options by field. shared: one that is there with other options is another application's affair.
    """
    from pymongo.errors import OperationFailure

    for field, options in indexes.items():
        try:
            await sessions.create_index(field, **options)
        except OperationFailure as error:
            if not (shared and error.code in _OTHER_OPTIONS):
                raise
