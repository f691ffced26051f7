"""The session object: a mapping that knows what it changed, and never loses or revives anything.

A save is a compare-and-swap on the record that was loaded. When somebody else was faster, the own
keys are laid over the fresh record and the swap is tried again. When the record is gone, it stays
gone: SessionGone.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace as with_changes
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from rpc_sessions.errors import SessionGone, StoreUnavailable
from rpc_sessions.request import Peer
from rpc_sessions.session import merge, rotation
from rpc_sessions.session.channels import Channels
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.cookie import new_id
from rpc_sessions.session.merge import Changes
from rpc_sessions.session.moved import Moved
from rpc_sessions.session.options import checked_span
from rpc_sessions.session.stores.base import Record, Store
from rpc_sessions.session.turns import step_back
from rpc_sessions.session.values import CLIENT, MAX_AGE, SessionValues
from rpc_sessions.types import Seconds

if TYPE_CHECKING:
    from rpc_sessions.session.sessions import Sessions

_LONGEST_AGENT = 300


class Session(SessionValues):
    """One caller's view of a session: a mapping of str to what JSON can hold, and its life in the store."""

    __slots__ = (
        "__weakref__", "_gone", "_readonly", "claim", "destroyed", "layer", "peer", "record", "sessions",
        "touched",
    )  # fmt: skip

    def __init__(self, sessions: Sessions, claim: Claim, peer: Peer, *, readonly: bool = False) -> None:
        super().__init__()
        self.sessions = sessions
        self.claim = claim
        self.peer = peer
        self.record: Record | None = None
        self.destroyed = False
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
        return timedelta(seconds=self._idle())

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
        return self.sessions.lifetimes.expiry(created, self._idle())

    def _idle(self) -> float:
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
        if not mine:
            await self.write_touch()
        elif self.record is None:
            await self.insert(mine)
        else:
            await self._commit(mine)
        return self

    async def autosave(self) -> None:
        """Save at the end of a call: not where the session is read-only, or was destroyed and left empty.

        Values set behind a destroy() have no place to go, and save() says so.
        """
        if not self._readonly and (not self._gone or self.changed):
            await self.save()

    async def insert(self, mine: Changes, user_id: str | None = None) -> None:
        """Store a new session; if another socket of this session was faster, merge with its record."""
        if await self.try_insert(mine, user_id):
            return
        await self.reread(mine)
        if user_id is None:
            await self._commit(mine)
        else:
            await rotation.rotate(self, user_id)

    async def try_insert(self, mine: Changes, user_id: str | None = None, *, anew: bool = False) -> bool:
        """Store a new session, if anew under another id. False if there is one already."""
        # To the end, even if this call is cancelled: the store may have done it already.
        return await self.sessions.turns.to_the_end(self._insert_once(mine, user_id, anew=anew))

    async def _insert_once(self, mine: Changes, user_id: str | None, *, anew: bool) -> bool:
        async with self.sessions.turns.turn(self.claim):
            if not self.claim.may_insert:
                return False
            if not (self.claim.borrowed or anew):
                return await self._insert_here(mine, user_id)
            self.sessions.moved(self.claim, new_id(), fresh=True)
            async with self.sessions.turns.turn(self.claim):  # under the new id, too
                if anew and not mine and user_id is None:
                    return await self._announce_unstored()
                return await self._insert_here(mine, user_id)

    async def _announce_unstored(self) -> bool:
        if self.claim.sockets or self.claim.twin:  # a socket speaks for the new id: so must the browser
            self.sessions.announce(self.claim, self.peer, await self.ticket())
        return True

    async def _insert_here(self, mine: Changes, user_id: str | None) -> bool:
        ticket = await self.ticket()
        now = time.time()
        record = Record(
            mine.apply(self.sessions.beginning(self.peer)), now, self.expiry(now), user_id, self.sessions.token()
        )
        with self.sessions.written_by(self.peer, record):
            if not await self.store.insert(self.claim.key, record):
                self.claim.stored()
                return False
            if not await self.sessions.leave_word(self.claim, guarded=bool(ticket)):
                return False
        self.took(record, self.peer)
        self.sessions.announce(self.claim, self.peer, ticket)
        return True

    async def ticket(self, id: str | None = None) -> str:
        """A ticket that brings the session's id, or the one it will move to, to the browser; "" if it needs none."""
        return await self.sessions.ticket_for(self.claim, self.peer, id or self.id)

    async def _commit(self, mine: Changes) -> None:
        conflicts = 0
        while mine and not await self._swap(mine):
            conflicts += 1
            await step_back(conflicts)
            await self.reread(mine)
            mine = self.changes()  # as they are by now: on one key the last one wins, here too

    async def _swap(self, mine: Changes) -> bool:
        """Compare-and-swap: True if the record with these changes is stored now."""
        base = self.record
        assert base is not None
        record = self.next_record(base, mine.apply(base.data), base.user_id)
        with self.sessions.written_by(self.peer, record):
            if not await self.store.replace(self.claim.key, record, base):
                return False
        self.took(record, self.peer)
        self.claim.set_cookie()
        return True

    def next_record(self, base: Record, data: str, user_id: str | None) -> Record:
        """The record that follows ``base``."""
        expires = self.sessions.lifetimes.next_expiry(base, self._idle())
        return Record(data, base.created, expires, user_id, self.sessions.token())

    async def reread(self, mine: Changes) -> None:
        """Read the fresh record and take from it what is not ours. SessionGone if there is none."""
        fresh = await self.sessions.fetch(self.claim)
        if fresh is None:
            raise self.lost()
        self.absorb(fresh.data, mine)
        self.took(fresh)

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

    def lost(self) -> SessionGone:
        """The session is gone: the error to raise."""
        self._gone = SessionGone.MESSAGE
        return SessionGone()

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
        view = Session(self.sessions, self.claim, self.peer)  # of its own: calls side by side see no half of it
        view.reset(self._text)
        view.record = self.record
        try:
            result = await view._mutate(fn)
        except SessionGone as error:
            self._gone = error.message
            raise
        if view.record is not None:
            self.absorb(view.record.data, self.changes())
            self.took(view.record)
        return result

    async def _mutate(self, fn: Callable[[Session], object]) -> object:
        conflicts = 0
        while True:
            result = fn(self)
            result = await result if inspect.isawaitable(result) else result
            mine = self.changes()
            if not mine or await (self._swap(mine) if self.record else self.try_insert(mine)):
                return result
            conflicts += 1
            await step_back(conflicts)
            fresh = await self.sessions.fetch(self.claim)
            if fresh is None:
                raise SessionGone
            self.reset(fresh.data)
            self.took(fresh)

    # -- its life ----------------------------------------------------------------------------------

    def touch(self) -> None:
        """Push the expiry out: written at the next save or the end of the call, at most every ``touch_after``."""
        if self.record is not None and not self._readonly:
            pushed = self.expiry(self.record.created) - self.record.expires
            self.touched = self.sessions.lifetimes.is_due(pushed, self._idle())

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
        self._note_client(user_id)
        await rotation.rotate(self, user_id)
        return self

    def _note_client(self, user_id: str | None) -> None:
        """Keep where the user logs in from, for the list of their sessions."""
        self.raw.pop(CLIENT, None)
        if user_id is not None and self.peer.client_ip:
            agent = self.peer.headers.get("User-Agent", "")[:_LONGEST_AGENT]
            self.raw[CLIENT] = {"ip": self.peer.client_ip, "agent": agent}

    async def destroy(self) -> None:
        """Delete it. No later save brings it back; other sockets of the session are closed with 4401."""
        self.check_writable()
        await self.sessions.end_claim(self.claim, self.peer)
        self.reset(merge.EMPTY)
        self.record, self._gone, self.destroyed = None, SessionGone.MESSAGE, True
        if self.peer.transport == "websocket" and self.peer.claim:
            anew = self.peer.claim  # this socket speaks for a new id: so must the browser
            with suppress(StoreUnavailable):  # or it learns of it with the first save
                self.sessions.announce(anew, self.peer, await self.sessions.ticket_for(anew, self.peer, anew.id))


def _datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
