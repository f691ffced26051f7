"""``layout="express"`` in MongoDB: the documents of connect-mongo 6, ``{_id: id, session, expires}``.

``session`` is the session JSON, as a text or (``stringify=False``, connect-mongo's option of that name) as a
document with dates. Both are read whatever the setting.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session import merge
from rpc_sessions.session.merge import Values
from rpc_sessions.session.stores import express
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.express_swap import digest_of, expected_digest, token
from rpc_sessions.session.stores.mongodb_native import Fields, date, is_live, seconds, text
from rpc_sessions.types import JSON

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions

    from rpc_sessions.session.stores.mongodb_native import Collection

TTL = 1_209_600.0  # two weeks: connect-mongo's, for cookies without maxAge


class ExpressLayout:
    """connect-mongo's. ttl: as its option of that name, in seconds."""

    indexes: Mapping[str, Fields] = {"expires": {"background": True, "expireAfterSeconds": 0}}

    def __init__(self, *, stringify: bool = True, ttl: float = TTL) -> None:
        self._json = express.SessionJSON(ttl)
        self._stringify = stringify

    def options(self) -> CodecOptions[Any]:
        from bson.codec_options import CodecOptions, DatetimeConversion
        from bson.raw_bson import RawBSONDocument

        # Raw, so that what was read can be compared with what is stored, to the byte.
        return CodecOptions(RawBSONDocument, tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_CLAMP)

    def live(self) -> Fields:
        return {"$or": [{"expires": {"$exists": False}}, {"expires": {"$gt": date(time.time())}}]}

    def is_key(self, id: object) -> bool:
        return isinstance(id, str) and express.KEY.fullmatch(id) is not None

    def record(self, document: Mapping[str, Any]) -> Record:
        values = _values(document)
        if "expires" in document:
            expires = seconds(document["expires"])
        else:
            expires = time.time() + self._json.idle(values.get("cookie"))
        return self._json.record(values, expires, token(digest_of(values), expires))

    def fields(self, record: Record, stored: object = None) -> Fields:
        """stored: the ``session`` that it takes the place of. Values that are the same keep their BSON types."""
        values = self._json.values(record)
        session = merge.pack(values) if self._stringify else _embedded(values, stored)
        return {"expires": date(record.expires), "session": session}

    async def swap(self, sessions: Collection, key: str, record: Record, expected: Record) -> bool:
        found = await sessions.find_one({"_id": text(key), **self.live()}, {"session": 1})
        if found is None or digest_of(_values(found)) != expected_digest(expected, self._digest):
            return False
        # The very one that was compared just now, and nothing that came between.
        wanted = {"_id": key, "session": {"$eq": found["session"]}, **self.live()}
        if record.expires <= time.time():
            # An expired document would be brought back by connect-mongo's touch.
            return (await sessions.delete_one(wanted)).deleted_count == 1
        result = await sessions.update_one(wanted, {"$set": self.fields(record, found["session"])})
        return result.matched_count == 1

    async def find_by_user(self, sessions: Collection, user_id: str) -> list[tuple[str, Record]]:
        """There is no index on users: it looks at every session that has one."""
        from bson.errors import InvalidBSON

        has_user = {"$or": [{"session": {"$regex": '"userId":'}}, {"session.userId": {"$exists": True}}]}
        found = []
        async for document in sessions.find({"$and": [has_user, self.live()]}):
            with suppress(StoreUnavailable, InvalidBSON):  # no session: no reason to hide the others
                if self.is_key(document["_id"]) and is_live(document):
                    found.append((document["_id"], self.record(document)))
        return [(key, record) for key, record in found if record.user_id == user_id]

    def _digest(self, record: Record) -> str:
        return digest_of(self._json.values(record))


# -- BSON and JSON -------------------------------------------------------------------------------------


def _values(document: Mapping[str, Any]) -> Values:
    """The session JSON in a document, of either form. StoreUnavailable if it holds none."""
    from bson.errors import BSONError

    session = document.get("session")
    try:
        if isinstance(session, Mapping):
            return cast(Values, _plain(session))
    except BSONError as error:
        raise StoreUnavailable(merge.UNREADABLE) from error
    return express.parse(session if isinstance(session, str) else "")


def _plain(value: object) -> JSON:
    """A value of BSON as JSON.stringify would write it; what JavaScript has no word for, as Extended JSON."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    return express.iso(seconds(value)) if isinstance(value, datetime) else _extended(value)


def _number(value: float) -> JSON:
    if not isfinite(value):
        return None
    exact = abs(value) <= express.EXACT and value == int(value)
    return int(value) if exact else float(value)


def _extended(value: object) -> JSON:
    from bson import ObjectId, json_util

    return str(value) if isinstance(value, ObjectId) else cast(JSON, json.loads(json_util.dumps(value)))


def _embedded(values: Values, stored: object) -> Fields:
    """A session JSON as connect-mongo embeds it."""
    before = stored if isinstance(stored, Mapping) else {}
    for name, value in values.items():
        if "\0" in name or _has_zero(value):
            raise ValueError(f"session[{name!r}] cannot be stored: BSON has no keys with a zero byte")
    fields = {name: _kept(name, value, before) for name, value in values.items()}
    cookie = cast(Values, values["cookie"])
    ends = cast("str | None", cookie["expires"])
    return fields | {"cookie": _bson(cookie) | {"expires": ends and datetime.fromisoformat(ends)}}


def _kept(name: str, value: JSON, before: Mapping[str, Any]) -> Any:
    same = name in before and merge.pack({name: _plain(before[name])}) == merge.pack({name: value})
    return before[name] if same else _bson(value)


def _bson(value: JSON) -> Any:
    """A value as the driver for Node.js writes it: a number past 32 bits is a double."""
    if isinstance(value, dict):
        return {name: _bson(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_bson(item) for item in value]
    return float(value) if isinstance(value, int) and not -(2**31) <= value < 2**31 else value


def _has_zero(value: JSON) -> bool:
    if isinstance(value, dict):
        return any("\0" in name or _has_zero(item) for name, item in value.items())
    return isinstance(value, list) and any(_has_zero(item) for item in value)
