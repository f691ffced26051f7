"""``layout="express"`` in files: ``<id>.json`` of session-file-store 1.5, the session JSON and ``__lastAccess``.

A session has expired when ``__lastAccess`` (milliseconds) and its originalMaxAge lie in the past;
``cookie.expires`` says nothing here.
"""

from __future__ import annotations

import time

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session import merge
from rpc_sessions.session.merge import Values
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.express import KEY, SessionJSON, iso, milliseconds, parse
from rpc_sessions.session.stores.express_swap import digest_of, expected_digest, token
from rpc_sessions.session.stores.file_native import CorruptError

TTL = 3_600.0  # an hour: session-file-store's, for cookies without maxAge
_LAST = "__lastAccess"
_OWN = frozenset((_LAST,))


class ExpressLayout:
    """session-file-store's. ttl: as its option of that name, in seconds. Keys are session ids."""

    key = KEY
    keys = "16 to 128 of A-Z a-z 0-9 _ -"

    def __init__(self, ttl: float) -> None:
        self._json = SessionJSON(ttl, _OWN)

    def parse(self, text: bytes) -> Record:
        try:
            values = parse(text)
        except StoreUnavailable as error:
            raise CorruptError(str(error.__cause__ or error)) from error
        last = values.get(_LAST)
        # Without one session-file-store finds nothing that has passed.
        used = last / 1000 if isinstance(last, int | float) else time.time()
        expires = used + self._json.idle(values.get("cookie"))
        return self._json.record(values, expires, token(self._digest(values), expires))

    def dump(self, record: Record) -> bytes | None:
        if record.expires <= time.time():
            return None  # an expired file would be brought back by session-file-store's touch
        values = self._json.values(record)
        return _text(values | {_LAST: self._last(values, record.expires)})

    def touched(self, text: bytes, expires: float) -> bytes:
        values = parse(text)
        cookie = values.get("cookie")
        if isinstance(cookie, dict) and cookie.get("expires") is not None:
            values["cookie"] = cookie | {"expires": iso(expires)}
        return _text(values | {_LAST: self._last(values, expires)})

    def is_same(self, found: Record, expected: Record) -> bool:
        written = expected_digest(expected, lambda record: self._digest(self._json.values(record)))
        return expected_digest(found, lambda _: "") == written

    def _last(self, values: Values, expires: float) -> int:
        return milliseconds(expires - self._json.idle(values.get("cookie")))

    def _digest(self, values: Values) -> str:
        return digest_of(values, _OWN)


def _text(values: Values) -> bytes:
    return merge.pack(values).encode()
