"""What the MongoDB store keeps in a document: ``{_id: key, data, created, expires, user_id, token}``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.damaged import check_format, checked, skipping_corrupt

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo.asynchronous.collection import AsyncCollection

    Collection = AsyncCollection[Any]

Fields = dict[str, Any]  # Any: what BSON holds


class Layout(Protocol):
    """How a session lies in a document. ``expires`` is a date, and the field of the TTL index, in each."""

    indexes: Mapping[str, Fields]  # field: options

    def options(self) -> CodecOptions[Any] | None:
        """How documents are decoded; None: as the client does."""

    def live(self) -> Fields:
        """What a document must be that has not expired."""

    def is_key(self, id: object) -> bool:
        """Whether an ``_id`` may be that of a session."""

    def record(self, document: Mapping[str, Any]) -> Record:
        """The record in a document."""

    def fields(self, record: Record) -> Fields:
        """The fields of a record, without ``_id``."""

    async def swap(self, sessions: Collection, key: str, record: Record, expected: Record) -> bool:
        """The ``replace`` of a store."""

    async def find_by_user(self, sessions: Collection, user_id: str) -> list[tuple[str, Record]]:
        """(key, record) of each live session of the user."""


class NativeLayout:
    """This library's own."""

    indexes: Mapping[str, Fields] = {"expires": {"expireAfterSeconds": 0}, "user_id": {"sparse": True}}

    def options(self) -> None:
        return None

    def live(self) -> Fields:
        return {"expires": {"$gt": date(time.time())}}

    def is_key(self, id: object) -> bool:
        return True

    def record(self, document: Mapping[str, Any]) -> Record:
        where = f"the document {document['_id']}"
        check_format(where, document.get("v"))
        created, expires = (_seconds(document.get(name)) for name in ("created", "expires"))
        return checked(where, document.get("data"), created, expires, document.get("user_id"), document.get("token"))

    def fields(self, record: Record) -> Fields:
        return {
            "data": record.data,
            "created": date(record.created),
            "expires": date(record.expires),
            "user_id": record.user_id,
            "token": record.token,
        }

    async def swap(self, sessions: Collection, key: str, record: Record, expected: Record) -> bool:
        # update_one with the token in its filter is atomic on the one document. Its own token will do: a driver that
        # lost the answer, in a fail-over, sends the command again.
        wanted = {"_id": text(key), "token": {"$in": [expected.token, record.token]}, **self.live()}
        result = await sessions.update_one(wanted, {"$set": self.fields(record)})
        return result.matched_count == 1

    async def find_by_user(self, sessions: Collection, user_id: str) -> list[tuple[str, Record]]:
        documents = await sessions.find({"user_id": {"$eq": user_id}, **self.live()}).to_list(None)
        found = []
        for document in documents:
            with skipping_corrupt():
                found.append((document["_id"], self.record(document)))
        return found


def text(key: str) -> str:
    """A key, for a filter. TypeError for what is no text, which could be a query of its own."""
    if not isinstance(key, str):
        raise TypeError(f"a key is a string, not {key!r}")
    return key


def date(seconds: float) -> datetime:
    """A time as BSON has it."""
    return datetime.fromtimestamp(seconds, UTC)


def seconds(date: datetime) -> float:
    """A date that came from BSON, since the epoch."""
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _seconds(value: object) -> object:
    return seconds(value) if isinstance(value, datetime) else value


def is_live(document: Mapping[str, Any]) -> bool:
    """Whether a document that was just read has not expired. One without ``expires`` never does."""
    if "expires" not in document:
        return True
    return isinstance(document["expires"], datetime) and seconds(document["expires"]) > time.time()
