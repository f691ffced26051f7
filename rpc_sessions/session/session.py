"""The session object: a mapping that knows what it changed, and its life. How it is stored: saving.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace as with_changes
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from rpc_sessions.errors import SessionGone
from rpc_sessions.request import Peer
from rpc_sessions.session import ending, logins, merge, rotation, saving
from rpc_sessions.session.channels import Channels
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.content import EMPTY, Content
from rpc_sessions.session.moved import Moved
from rpc_sessions.session.options import checked_span
from rpc_sessions.session.reserved import MAX_AGE
from rpc_sessions.session.stores.base import Record, Store
from rpc_sessions.session.values import SessionValues
from rpc_sessions.types import Seconds

if TYPE_CHECKING:
    from rpc_sessions.session.sessions import Sessions


class Session(SessionValues):
    """One caller's view of a session: a mapping of str to what JSON can hold, and its life in the store."""

    __slots__ = (
        "__weakref__", "_gone", "_readonly", "claim", "layer", "peer", "record", "sessions", "touched",
    )  # fmt: skip

    def __init__(
        self,
        sessions: Sessions,
        claim: Claim,
        peer: Peer,
        readonly: bool = False,
        record: Record | None = None,
        content: Content = EMPTY,
    ) -> None:
        """record, content: what is stored, if that is known already."""
        self._content, self._values = content, None  # not by super(): one is made for every call
        self.sessions = sessions
        self.claim = claim
        self.peer = peer
        self.record = record
        self._readonly = readonly
        self._gone = ""  # what to tell those who write to it
        self.touched = False
        self.layer: object = None  # of the chain that opened it, and looks after it

    # -- what it is --------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The session's id: a secret, as good as the cookie."""
        return self.claim.id

    @property
    def is_new(self) -> bool:
        """True until it is first stored."""
        return self.record is None

    @property
    def store(self) -> Store:
        """The store it lives in."""
        return self.sessions.store.current

    @property
    def user_id(self) -> str | None:
        """Who is logged in, or None. Set it with ``await session.set_user_id(...)``."""
        return self.record.user_id if self.record else None

    @property
    def channel(self) -> Channels:
        """The channels this session listens to."""
        return Channels(self)

    @property
    def max_age(self) -> timedelta:
        """How long the session lives unused. Set it for this one session ("remember me"), then save."""
        return timedelta(seconds=self.idle)

    @max_age.setter
    def max_age(self, span: Seconds) -> None:
        self.raw[MAX_AGE] = checked_span("max_age", span).total_seconds()

    @property
    def created(self) -> datetime:
        """When it began (UTC)."""
        return _datetime(self.record.created if self.record else time.time())

    @property
    def expires(self) -> datetime:
        """When it ends if nobody uses it until then (UTC)."""
        return _datetime(self.record.expires if self.record else self.expiry(time.time()))

    def expiry(self, created: float) -> float:
        """When a session that is used now will end: seconds since the epoch."""
        return self.sessions.lifetimes.expiry(created, self.idle)

    @property
    def idle(self) -> float:
        """``max_age`` in seconds."""
        own = self.reserved(MAX_AGE)
        return cast(float, own) if own else self.sessions.lifetimes.idle

    # -- reading and writing -----------------------------------------------------------------------

    async def load(self) -> Session:
        """Read again from the store; unsaved changes are dropped. SessionGone if a stored session is gone."""
        if self._gone:
            raise SessionGone(self._gone)
        asked = time.monotonic()
        record = await self.sessions.fetch(self.claim)
        if record is None and self.record is not None:
            raise self.lost()
        self.reset(record.data if record else merge.EMPTY)
        self.took(record, asked=asked)
        return self

    async def save(self) -> Session:
        """Store what changed. Nothing changed: nothing is written, but a due touch.

        SessionGone if it was destroyed, expired or moved meanwhile; TypeError or ValueError, naming
        the key, for a value JSON cannot hold; StoreUnavailable. In each case nothing is written.
        """
        self.check_writable()
        mine = self.changes()
        await (saving.save(self, mine) if mine else self.write_touch())
        return self

    async def autosave(self) -> None:
        """Save at the end of a call: not where the session is read-only, or was destroyed and left empty.

        Values set behind a destroy() have no place to go, and save() says so.
        """
        if not self._readonly and (not self._gone or self.changed):
            await self.save()

    async def ticket(self, id: str | None = None) -> str:
        """A ticket that brings the session's id, or the one it will move to, to the browser; "" if it needs none."""
        return await self.sessions.ticket_for(self.claim, self.peer, id or self.id)

    def took(self, record: Record | None, by: Peer | None = None, asked: float | None = None) -> None:
        """This record is what the store holds, as far as this view knows. by, asked: see ``Sessions.saw``."""
        self.record = record
        self.touched = False
        if record is not None:
            self.committed(record.data)
            self.sessions.saw(self.claim, record, by, asked)

    def use_copy(self, record: Record) -> None:
        """Take a record that was read a while ago. A save finds out if it is old, and merges."""
        self.reset(record.data)
        self.record = record

    def look_back(self, before: Record | None) -> None:
        """The session has moved to an id that this request does not have: read what was there, write nothing."""
        self._gone = Moved.MESSAGE
        if before is not None:
            self.use_copy(before)

    def lost(self, message: str = SessionGone.MESSAGE) -> SessionGone:
        """The session is gone: the error to raise."""
        self._gone = message
        return SessionGone(message)

    def check_writable(self) -> None:
        """SessionGone, or RuntimeError in a call that promised to write nothing."""
        if self._gone:
            raise SessionGone(self._gone)
        if self._readonly:
            raise RuntimeError('the session was opened with req.use("session", readonly=True)')

    async def mutate(self, fn: Callable[[Session], object]) -> object:
        """Read, change, write, atomically: ``fn(session)`` runs again on fresh data until it commits.

        fn may be async. What it returns is returned. If it raises, nothing of it is stored.
        """
        await self.save()
        return await saving.mutate(self, fn)

    def view(self) -> Session:
        """Another view of the same record, as it was loaded."""
        return Session(self.sessions, self.claim, self.peer, record=self.record, content=self._content)

    # -- its life ----------------------------------------------------------------------------------

    def touch(self) -> None:
        """Push the expiry out: written at the next save or the end of the call, at most every ``touch_after``."""
        if self.record is not None and not self._readonly:
            pushed = self.expiry(self.record.created) - self.record.expires
            self.touched = self.sessions.lifetimes.is_due(pushed, self.idle)

    def update(self, *args: Any, **values: Any) -> None:  # Any: the overloads of a mapping's update
        """As a mapping's ``update``; without arguments, ``touch``."""
        if args or values:
            super().update(*args, **values)
        else:
            self.touch()

    async def write_touch(self) -> None:
        """Write a touch that is due. SessionGone if the session is gone."""
        if not self.touched or self.record is None:
            return
        self.touched = False
        expires = self.expiry(self.record.created)
        if await self.sessions.touch(self.claim, expires):
            self.record = with_changes(self.record, expires=expires)
            self.claim.set_cookie()
            return
        with suppress(Moved):  # to another id: it was touched by that
            if await self.sessions.fetch(self.claim) is None:
                raise self.lost()

    async def regenerate(self, keep: bool = True) -> Session:
        """A new id, with the data or (keep=False) without; the old id is dead everywhere."""
        await rotation.rotate(self, rotation.SameUser if keep else None, keep=keep)
        return self

    generate = regenerate

    async def set_user_id(self, user_id: str | None) -> Session:
        """Log a user in, or (None) out; the data stays. Rotates the id, against session fixation."""
        if user_id is not None and (not isinstance(user_id, str) or not user_id):
            raise TypeError(f"a user id is a string, not {user_id!r}: use str(...)")
        self.check_writable()
        logins.note(self.raw, user_id, self.peer)
        await rotation.rotate(self, user_id)
        return self

    async def destroy(self) -> None:
        """Delete it. No later save brings it back; other sockets of the session are closed with 4401."""
        self.check_writable()
        await ending.end(self.sessions, self.claim, self.peer)
        self.reset(merge.EMPTY)
        self.record, self._gone = None, SessionGone.MESSAGE
        await self.sessions.begin_anew(self.peer)


def _datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
