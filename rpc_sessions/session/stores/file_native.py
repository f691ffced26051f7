"""What the file store keeps in a file by default.

{"v": 1, "data": ..., "created": ..., "expires": ..., "user_id": ..., "token": ...}
"""

from __future__ import annotations

import re
from dataclasses import replace as with_changes
from typing import Protocol

import msgspec

from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.damaged import FORMAT, check_format


class CorruptError(Exception):
    """A file that holds no session."""


class Layout(Protocol):
    """How a session lies in ``<key>.json``."""

    key: re.Pattern[str]
    keys: str  # what keys are, in words

    def parse(self, text: bytes) -> Record:
        """The record in a file, expired or not. CorruptError; StoreUnavailable for a file that is not ours to judge."""

    def dump(self, record: Record) -> bytes | None:
        """The file of a record; None: there must be none."""

    def touched(self, text: bytes, expires: float) -> bytes:
        """The file with another expiry, and nothing else changed."""

    def is_same(self, found: Record, expected: Record) -> bool:
        """Whether what was found is still the record that a swap expects."""


class _Header(msgspec.Struct):
    v: int


class _Content(msgspec.Struct):
    v: int
    data: str
    created: float
    expires: float
    user_id: str | None
    token: str


_header = msgspec.json.Decoder(_Header).decode
_content = msgspec.json.Decoder(_Content).decode


class NativeLayout:
    """This library's own. Keys are hashes."""

    key = re.compile(r"[0-9a-f]{64}")
    keys = "64 hexadecimal digits"

    def parse(self, text: bytes) -> Record:
        try:
            check_format("a session's file", _header(text).v)
            found = _content(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise CorruptError(str(error)) from error
        return Record(found.data, found.created, found.expires, found.user_id, found.token)

    def dump(self, record: Record) -> bytes:
        content = _Content(FORMAT, record.data, record.created, record.expires, record.user_id, record.token)
        return msgspec.json.encode(content)

    def touched(self, text: bytes, expires: float) -> bytes:
        return self.dump(with_changes(self.parse(text), expires=expires))

    def is_same(self, found: Record, expected: Record) -> bool:
        return found.token == expected.token
