"""What a session store is: six methods, and a record it keeps without looking inside.

A store never sees a cookie, a request or a session id that could be replayed: keys are hashes.
"Not there" is None or False. A backend that fails raises StoreUnavailable, and nothing else means
"no session": nobody becomes anonymous because a database was down.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Record:
    """One stored session.

    data: the session's values, the text of a JSON object. created, expires: seconds since the epoch.
    user_id: who is logged in, or None. token: new with every write; what ``replace`` compares.
    """

    data: str
    created: float
    expires: float
    user_id: str | None
    token: str


class Store(Protocol):
    """Where sessions live. A record whose ``expires`` has passed is not there, swept or not.

    A store may also have ``plain_ids = True``: its keys are the session ids themselves, for formats that
    demand it; ``shared = False``: only this process writes to it; and ``sweeps_itself = True``: its backend removes
    what has expired.
    """

    async def load(self, key: str) -> Record | None:
        """The record, or None if there is none."""

    async def insert(self, key: str, record: Record) -> bool:
        """Store a new record. False: the key exists, and nothing was changed."""

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        """Store a record over the one that was loaded, atomically.

        False: the record was changed or is gone since (its token is not ``expected.token``), and
        nothing was changed. A driver that sends commands again when their answer is lost finds
        ``record.token``: that is success, here and in ``insert``.
        """

    async def touch(self, key: str, expires: float) -> bool:
        """Move the expiry only; the token stays. False: there is no such record."""

    async def delete(self, key: str) -> bool:
        """Remove the record. False: there was none."""

    async def gc(self, now: float) -> int:
        """Remove the expired records; how many. 0 where the backend does it by itself."""

    async def close(self) -> None:
        """Let go of connections and timers. The store is not used afterwards."""


@runtime_checkable
class Watches(Protocol):
    """A store that tells what other processes do to its sessions."""

    def watch(self) -> AsyncIterator[str | None]:
        """The key of each record that is inserted, replaced or deleted from now on, by whomever.

        None: something may have been missed, so look at every session. It comes first, once all that
        happens from then on is told, and again after a connection was lost. The iterator ends at once
        where this backend cannot tell (then sessions are polled); StoreUnavailable while it is away.
        """


@runtime_checkable
class Peeks(Protocol):
    """A store whose records are in this process."""

    def peek(self, key: str) -> Record | None:
        """What ``load`` gives, at once."""


@runtime_checkable
class Checks(Protocol):
    """A store that can tell at once, before the first session, whether one could be written."""

    def check(self) -> None:
        """StoreUnavailable if none could. Asked at start, and in a thread for /readyz."""


@runtime_checkable
class MadeOnUse(Protocol):
    """A store whose first use makes what its sessions lie in. Whoever only looks for sessions asks before."""

    async def lacks(self) -> str | None:
        """What its first use would make, such as "folder /srv/sessions"; None: that is there. It is not made.

        StoreUnavailable while the backend is away.
        """


@runtime_checkable
class FindsByUser(Protocol):
    """A store that can list the sessions of a user."""

    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        """(key, record) of each live session of the user."""


@runtime_checkable
class ListsKeys(Protocol):
    """A store that can list its sessions."""

    def keys(self) -> AsyncIterator[str]:
        """The key of each live session."""
