"""The values of a session as a mapping: decoded when first looked at, compared with their text to see changes."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TypeVar, overload

from rpc_sessions.session import merge
from rpc_sessions.session.content import NESTED, Content, Nested
from rpc_sessions.session.merge import Changes
from rpc_sessions.session.reserved import RESERVED
from rpc_sessions.types import JSON

T = TypeVar("T")


class SessionValues(MutableMapping[str, JSON]):
    """A mapping over the text of a JSON object. Keys are str (else TypeError at once).

    The library's own values lie beside the user's, under keys that begin with ``rpc.``: the mapping
    does not show them.
    """

    __slots__ = ("_content", "_values")

    def __init__(self, content: Content) -> None:
        self._content = content
        self._values: merge.Values | None = None  # our own copy, once there is need of one

    def reset(self, text: str) -> None:
        """Take a text; what was changed is dropped."""
        self._content, self._values = Content(text), None

    @property
    def raw(self) -> merge.Values:
        """All values, the library's own among them."""
        if self._values is None:
            self._values = self._content.own_copy()
        return self._values

    def reserved(self, key: str) -> JSON:
        """One of the library's own values, or None. Decodes nothing where there is none."""
        return self.raw.get(key) if self._values is not None or key in self._content.text else None

    @property
    def changed(self) -> bool:
        """True if there is anything a save would write, nested values included."""
        try:
            return bool(self.changes())
        except (TypeError, ValueError):
            return True  # something that cannot be stored: the save will say which

    def changes(self) -> Changes:
        """What was set and removed. TypeError or ValueError, naming the key, for a value JSON cannot hold."""
        return merge.NONE if self._values is None else merge.changes(self._content.text, self._values)

    def committed(self, text: str) -> None:
        """The text is stored now: changes count from here. Changes made since it was written stay changes."""
        if text is not self._content.text:
            self._content = Content(text)

    def absorb(self, text: str, mine: Changes) -> None:
        """Take what others wrote, but where there are changes of our own, in ``mine`` or since."""
        theirs, values, now = merge.unpack(text), self.raw, self.changes()
        own = mine.set.keys() | mine.removed | now.set.keys() | now.removed
        for key in (values.keys() | theirs.keys()) - own:
            if key in theirs:
                values[key] = theirs[key]
            else:
                del values[key]
        self._content = Content(text)

    def __getitem__(self, key: str) -> JSON:
        if not isinstance(key, str) or key.startswith(RESERVED):
            raise KeyError(key)
        if self._values is None:
            value = self._content.shared()[key]
            if not isinstance(value, Nested):
                return value
        return self.raw[key]

    @overload
    def get(self, key: str) -> JSON: ...
    @overload
    def get(self, key: str, default: JSON | T) -> JSON | T: ...
    def get(self, key: str, default: object = None) -> object:
        """The value, or the default. As every mapping's, at half the cost."""
        if self._values is None and isinstance(key, str):
            value = self._content.shared().get(key, default)
            if value is not NESTED:
                return value
        return super().get(key, default)

    def __contains__(self, key: object) -> bool:
        if self._values is None:
            return isinstance(key, str) and key in self._content.shared()
        return isinstance(key, str) and not key.startswith(RESERVED) and key in self._values

    def __setitem__(self, key: str, value: JSON) -> None:
        if not isinstance(key, str):
            raise TypeError(f"the keys of a session are strings, not {key!r}")
        if key.startswith(RESERVED):
            raise ValueError(f"keys that begin with {RESERVED} are the library's own: {key!r}")
        self.raw[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        del self.raw[key]

    def __iter__(self) -> Iterator[str]:
        if self._values is None:
            return iter(self._content.shared())
        return (key for key in self._values if not key.startswith(RESERVED))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        """Remove all values."""
        for key in list(self):
            del self.raw[key]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {dict(self)!r}>"  # without the id: it would end up in logs
