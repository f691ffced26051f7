"""What a session's values changed, and how that is laid over what others wrote meanwhile.

A nested value counts as its top-level key. On one key the last writer wins; different keys all survive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rpc_sessions import codec
from rpc_sessions.errors import ParseError, StoreUnavailable
from rpc_sessions.types import JSON

EMPTY = "{}"
UNREADABLE = "The stored session cannot be read"
NO_OBJECT = "The stored session is not a JSON object"
Values = dict[str, JSON]


class Changes(NamedTuple):
    """The keys set and the keys removed since a text was loaded."""

    set: Values
    removed: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.set or self.removed)

    def apply(self, text: str) -> str:
        """The text with these changes made."""
        values = unpack(text)
        kept = {key: value for key, value in values.items() if key not in self.removed}
        return pack(kept | self.set)


NONE = Changes({}, frozenset())


def pack(values: Mapping[str, JSON]) -> str:
    """The values as the text of a JSON object."""
    return codec.dumps(values)


def unpack(text: str) -> Values:
    """The values of a session's text. StoreUnavailable if it is no JSON object: it is damaged, and stays as it is."""
    try:
        values = codec.decode(text)
    except ParseError as error:
        raise StoreUnavailable(UNREADABLE) from error
    if not isinstance(values, dict):
        raise StoreUnavailable(NO_OBJECT)
    return values


def changes(text: str, values: Values) -> Changes:
    """What turns the session's text into these values. TypeError or ValueError, naming the key, for no JSON."""
    old = {key: codec.dumps(value) for key, value in unpack(text).items()}
    changed = {key: value for key, value in values.items() if old.get(key) != _checked(key, value)}
    return Changes(changed, frozenset(old.keys() - values.keys()))


def _checked(key: str, value: JSON) -> str:
    try:
        codec.check_json(key)
        codec.check_json(value, depth=2)  # the session itself is the first level
        return codec.dumps(value)
    except (TypeError, ValueError) as error:
        raise type(error)(*_named(key, error)) from None


def _named(key: str, error: Exception) -> tuple[object, ...]:
    sentence = f"session[{key!r}] cannot be stored: {error}"
    if isinstance(error, UnicodeError):  # its constructor takes five arguments, the reason last
        return (*error.args[:4], sentence)
    return (sentence,)
