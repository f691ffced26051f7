"""What a stored session holds: its text, and its values, decoded once for all calls that read the same record."""

from __future__ import annotations

from typing import Final

from rpc_sessions.session import merge
from rpc_sessions.session.reserved import RESERVED
from rpc_sessions.session.stores.base import Record
from rpc_sessions.types import JSON

_IMMUTABLE = (str, int, float, bool, type(None))


class Nested:
    """Stands for a list or an object: whoever asks for one gets it decoded for himself, and may change it."""


NESTED: Final = Nested()


class Content:
    """The text of a session. Any number of calls may hold it at once: nothing that it gives out can be changed."""

    __slots__ = ("_shared", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._shared: dict[str, JSON | Nested] | None = None

    def shared(self) -> dict[str, JSON | Nested]:
        """The user's values, not to be changed; NESTED in place of those that somebody might change."""
        if self._shared is None:
            self._shared = {
                key: value if type(value) in _IMMUTABLE else NESTED
                for key, value in self.own_copy().items()
                if not key.startswith(RESERVED)
            }
        return self._shared

    def own_copy(self) -> merge.Values:
        """All values, the library's own among them, for the caller alone."""
        return merge.unpack(self.text)


EMPTY: Final = Content(merge.EMPTY)


class Latest:
    """The record that a live claim saw last, and what need not be found out again while it is the one in the store.

    quiet_until: until then (seconds since the epoch) it has not ended, and no touch of it is due.
    """

    __slots__ = ("content", "quiet_until", "record")

    def __init__(self, record: Record, quiet_until: float) -> None:
        self.record = record
        self.quiet_until = quiet_until
        self.content = Content(record.data)
