"""The session JSON of express-session, as a Record and back: for ``layout="express"``. No store is asked here.

    {"cookie": {"originalMaxAge": 60000, "expires": "2030-01-01T00:00:00.000Z", "httpOnly": true, "path": "/"},
     "cart": 1, "userId": "ada", "channels": ["news"], "rpc.created": 1893455940.0}

Read from express-session 1.19.0. What the mapping of a session shows lies beside ``cookie``, as Express has it.
``userId`` and ``channels`` are the user and the channels. The library's other values keep their names, which
begin with ``rpc.``: Express keeps what it does not know. In a Record's data ``rpc.cookie`` is the cookie as it
was read, ``rpc.max_age`` its originalMaxAge in seconds, and ``rpc.found`` a ``userId`` or ``channels`` that is
none of ours (a number, an object): it goes back as it was.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from rpc_sessions.errors import ConfigError, StoreUnavailable
from rpc_sessions.session import merge
from rpc_sessions.session.merge import Values
from rpc_sessions.session.reserved import CHANNELS, COOKIE, MAX_AGE, RESERVED
from rpc_sessions.session.stores.base import Record
from rpc_sessions.types import JSON, Seconds, seconds

CREATED = RESERVED + "created"
FOUND = RESERVED + "found"
KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")  # a session's id, or the hash that names a ticket

# Express assigns a session's values to an object only where it has no member of that name: these it would lose.
_MEMBERS = {
    "id", "req", "cookie", "save", "touch", "destroy", "reload", "regenerate", "resetMaxAge",
    "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toString", "toLocaleString", "valueOf",
    "__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__",
}  # fmt: skip
_OURS = {"userId": "use session.set_user_id", "channels": "use session.channel"}
_HIDDEN = _MEMBERS | _OURS.keys() | {COOKIE, CREATED, FOUND, CHANNELS, MAX_AGE}
_ORDER = ("originalMaxAge", "partitioned", "priority", "expires", "secure", "httpOnly", "domain", "path", "sameSite")
_NEW_COOKIE: Values = {"httpOnly": True, "path": "/", "sameSite": "lax"}
EXACT = 2**53  # a JavaScript number holds every integer up to this
_LONG = re.compile(r"\d{16}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_LONGEST = timedelta(days=365 * 100).total_seconds()


@dataclass(frozen=True, slots=True)
class SessionJSON:
    """The form that one of Express's stores has.

    ttl: how long a session lives whose cookie names no maxAge, in seconds. own: keys of the store itself.
    """

    ttl: float
    own: frozenset[str] = frozenset()

    def record(self, values: Values, expires: float, token: str) -> Record:
        """The record that a session JSON stands for. expires: seconds since the epoch, as the store has it."""
        hidden = _HIDDEN | self.own
        data = {name: value for name, value in values.items() if name not in hidden}
        cookie, channels, created = values.get("cookie"), values.get("channels"), values.get(CREATED)
        data[MAX_AGE] = idle = self.idle(cookie)
        if isinstance(cookie, dict):
            data[COOKIE] = cookie
        if _are_names(channels):
            data[CHANNELS] = channels
        user_id = _user_id(values.get("userId"))
        if found := _found(values, {"userId": user_id, "channels": data.get(CHANNELS)}):
            data[FOUND] = found
        return Record(merge.pack(data), created if _is_number(created) else expires - idle, expires, user_id, token)

    def values(self, record: Record) -> Values:
        """The session JSON of a record. ValueError, naming the key, for what Express would lose or change."""
        data = _checked(record.data, self.own)
        kept, own_age, channels, found = (data.pop(name, None) for name in (COOKIE, MAX_AGE, CHANNELS, FOUND))
        values: Values = {"cookie": self._cookie(record, kept, own_age), **data}
        as_found = found if isinstance(found, dict) else {}
        raw = as_found.get("userId")
        if record.user_id is not None:
            values["userId"] = raw if _user_id(raw) == record.user_id else record.user_id
        elif "userId" in as_found and _user_id(raw) is None:
            values["userId"] = raw
        if channels is not None or "channels" in as_found:
            values["channels"] = as_found.get("channels") if channels is None else channels
        values[CREATED] = record.created
        return values

    def idle(self, cookie: JSON) -> float:
        """How long a session with this cookie lives unused, in seconds."""
        age = cookie.get("originalMaxAge") if isinstance(cookie, dict) else None
        return min(age / 1000, _LONGEST) if _is_number(age) and age else self.ttl

    def _cookie(self, record: Record, kept: JSON, own_age: JSON) -> Values:
        age: JSON
        if not isinstance(kept, dict) or "originalMaxAge" not in kept:  # a session of ours begins
            kept = _NEW_COOKIE | (kept if isinstance(kept, dict) else {})
            age = milliseconds(own_age if _is_number(own_age) else _first_age(record))
        elif _is_number(own_age) and own_age != self.idle(kept):
            age = milliseconds(own_age)
        else:
            age = kept.get("originalMaxAge")
        ends = None if age is None and kept.get("expires") is None else iso(record.expires)
        cookie = kept | {"originalMaxAge": age, "expires": ends}
        return {name: cookie[name] for name in (*_ORDER, *cookie) if name in cookie}


# -- texts ---------------------------------------------------------------------------------------------


def parse(text: str | bytes) -> Values:
    """The session JSON in a text. StoreUnavailable if it is no JSON object.

    Integers past 2**53 become floats, which is what they are for JavaScript. Half a surrogate pair, which
    JSON.stringify writes where a string was cut in the middle of a character, becomes U+FFFD.
    """
    try:
        text = text if isinstance(text, str) else text.decode()
        values = merge.unpack(_mended(text) if _SURROGATE.search(text) else text)
        return {name: _as_double(value) for name, value in values.items()} if _LONG.search(text) else values
    except (ValueError, RecursionError, OverflowError) as error:
        raise StoreUnavailable(merge.UNREADABLE) from error


def _mended(text: str) -> str:
    whole = json.dumps(json.loads(text), ensure_ascii=False)
    return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def iso(at: float) -> str:
    """A time as JavaScript writes it: ``2030-01-01T00:00:00.000Z``."""
    date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds(at))
    return date.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(span: float) -> int:
    """Of seconds, the nearest: in 1.001 there are 1001 of them, though the float is a little less."""
    return round(span * 1000)


# -- set-up --------------------------------------------------------------------------------------------


def is_express(layout: str, **options: object) -> bool:
    """Which layout is meant. ConfigError for an unknown one, or for options that the native one does not have."""
    if layout not in ("native", "express"):
        raise ConfigError(f'layout= is "native" or "express", not {layout!r}')
    given = [name for name, value in options.items() if value is not None]
    if given and layout == "native":
        raise ConfigError(f'{given[0]}= is an option of layout="express"')
    return layout == "express"


def checked_ttl(ttl: Seconds | None, default: float) -> float:
    """The lifetime, in seconds, of sessions whose cookie names none. ConfigError if it is no lifetime."""
    try:
        span = default if ttl is None else seconds(ttl, "ttl= of the store")
    except TypeError as error:
        raise ConfigError(str(error)) from None
    if not 1 <= span <= _LONGEST:
        raise ConfigError(f"ttl= is 1 second or more, not {ttl!r}")
    return span


# -- small things --------------------------------------------------------------------------------------


def _checked(text: str, own: frozenset[str]) -> Values:
    values = merge.unpack(text)
    for key, value in values.items():
        reason = _OURS.get(key) or ("Express would lose it" if key in _MEMBERS | own else "")
        if not reason and _LONG.search(text) and _has_long(value):
            reason = "JavaScript has no integers past 2**53"
        if reason:
            raise ValueError(f"session[{key!r}] cannot be stored: {reason}")
    return values


def _has_long(value: JSON) -> bool:
    if isinstance(value, dict | list):
        return any(_has_long(item) for item in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, int) and abs(value) > EXACT


def _as_double(value: JSON) -> JSON:
    if isinstance(value, dict):
        return {name: _as_double(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_as_double(item) for item in value]
    return float(value) if isinstance(value, int) and abs(value) > EXACT else value


def _first_age(record: Record) -> float:
    """The lifetime that a new session has been given, though it may be written a little after it was made."""
    span = record.expires - record.created
    return round(span) if span >= 1 else span


def _found(values: Values, ours: Values) -> Values:
    """What ``userId`` and ``channels`` hold that this library would not write so."""
    there = [name for name in ours if name in values]
    return {name: values[name] for name in there if values[name] is None or values[name] != ours[name]}


def _user_id(value: JSON) -> str | None:
    """A string as it is, a number in decimal; nothing else is a user."""
    if _is_number(value):
        return str(int(value)) if value == int(value) else repr(value)
    return value if isinstance(value, str) else None


def _are_names(value: JSON) -> TypeGuard[list[JSON]]:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
