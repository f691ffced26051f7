"""The values of a session as a mapping: decoded when first looked at, compared with their text to see changes."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from rpc_sessions.session import merge
from rpc_sessions.session.merge import Changes
from rpc_sessions.types import JSON

RESERVED = "rpc."
CHANNELS = RESERVED + "channels"
MAX_AGE = RESERVED + "max_age"
COOKIE = RESERVED + "cookie"  # of a session that is shared with Express: the attributes of its cookie
CLIENT = RESERVED + "client"  # where the user logged in from
TICKET = RESERVED + "ticket"  # of a record that is a ticket, not a session
MOVED = RESERVED + "moved"  # of a record that says where a session has gone


class SessionValues(MutableMapping[str, JSON]):
    """A mapping over the text of a JSON object. Keys are str (else TypeError at once).

    The library's own values lie beside the user's, under keys that begin with ``rpc.``: the mapping
    does not show them.
    """

    __slots__ = ("_text", "_values")

    def __init__(self, text: str = merge.EMPTY) -> None:
        self._text = text
        self._values: merge.Values | None = None

    def reset(self, text: str) -> None:
        """Take a text; what was changed is dropped."""
        self._text, self._values = text, None

    @property
    def raw(self) -> merge.Values:
        """All values, the library's own among them."""
        if self._values is None:
            self._values = merge.unpack(self._text)
        return self._values

    def reserved(self, key: str) -> JSON:
        """One of the library's own values, or None. Decodes nothing where there is none."""
        return self.raw.get(key) if self._values is not None or key in self._text else None

    @property
    def changed(self) -> bool:
        """True if there is anything a save would write, nested values included."""
        try:
            return bool(self.changes())
        except (TypeError, ValueError):
            return True  # something that cannot be stored: the save will say which

    def changes(self) -> Changes:
        """What was set and removed. TypeError or ValueError, naming the key, for a value JSON cannot hold."""
        return merge.NONE if self._values is None else merge.changes(self._text, self._values)

    def committed(self, text: str) -> None:
        """The text is stored now: changes count from here. Changes made since it was written stay changes."""
        self._text = text

    def absorb(self, text: str, mine: Changes) -> None:
        """Take what others wrote, but where there are changes of our own, in ``mine`` or since."""
        theirs, values, now = merge.unpack(text), self.raw, self.changes()
        own = mine.set.keys() | mine.removed | now.set.keys() | now.removed
        for key in (values.keys() | theirs.keys()) - own:
            if key in theirs:
                values[key] = theirs[key]
            else:
                del values[key]
        self._text = text

    def __getitem__(self, key: str) -> JSON:
        if not isinstance(key, str) or key.startswith(RESERVED):
            raise KeyError(key)
        return self.raw[key]

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
        return (key for key in self.raw if not key.startswith(RESERVED))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        """Remove all values."""
        for key in list(self):
            del self.raw[key]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {dict(self)!r}>"  # without the id: it would end up in logs
