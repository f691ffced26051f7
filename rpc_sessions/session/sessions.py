"""``ss.session``: options and store, the middleware, and the session of a call."""

from __future__ import annotations

import asyncio

from rpc_sessions.errors import SessionGone
from rpc_sessions.request import Peer
from rpc_sessions.session import cookie, devices, moved
from rpc_sessions.session.browsers import Browsers
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.first_save import insert
from rpc_sessions.session.merge import Values
from rpc_sessions.session.middleware import SessionLayer
from rpc_sessions.session.moved import Moved
from rpc_sessions.session.reserved import MOVED
from rpc_sessions.session.session import Session
from rpc_sessions.session.stores.base import Record
from rpc_sessions.types import Middleware, Seconds


class Sessions(Browsers):
    """The sessions of a server."""

    def start(self) -> None:
        """Take the options as they are now."""
        self.lifetimes.start(self.options)
        self.keeps_copies |= self.options.notify_changes
        for claim in self.claims.all():
            claim.latest = None  # it goes by the options

    def layer(self, *, autosave: bool = False, readonly: bool = False, max_age: Seconds = 0) -> Middleware:
        """The middleware ``session``."""
        layer = SessionLayer(self, autosave=autosave, readonly=readonly, max_age=max_age)
        self.keeps_copies |= bool(max_age)
        return layer

    async def open(self, peer: Peer, *, readonly: bool = False, max_age: float = 0.0) -> Session:
        """The session of a peer, read from the store. Over WebSocket SessionGone if it has ended.

        max_age: a copy that was read so many seconds ago will do.
        """
        if peer.claim is None:
            peer.claim = self.claim(peer.headers.get("Cookie", ""))
        claim = peer.claim
        session = Session(self, claim, peer, readonly=readonly)
        if max_age and (copy := self.copy_of(claim, max_age)):
            session.use_copy(copy)
            session.touch()
            return session
        try:
            await session.load()
        except Moved as gone:
            if gone.guarded and not claim.sockets:
                session.look_back(await self._readable(gone))
                return session
            claim.stored()  # another process stored it under this id, and moved it on
        if session.record is not None:
            session.touch()
        elif not claim.may_insert:
            self._not_there(claim, peer)
        return session

    async def _readable(self, gone: Moved) -> Record | None:
        """What the old id may read on: nothing once the session has ended, or its user has left, wherever it is now."""
        there = gone
        while gone.before is not None:
            record = await self.store.current.load(self.key_for(there.id))
            if record is None or not self.lifetimes.lives(record):
                return None
            further = moved.read(record, there.id)
            if further is None:
                return moved.readable(gone.before, record.user_id)
            there = further
        return None

    def open_now(self, peer: Peer, now: float, readonly: bool) -> Session | None:
        """What ``open`` gives, if that needs no waiting; else None, and ``open`` will see to it.

        now: when the call came, in seconds since the epoch.
        """
        claim, peek = peer.claim, self.store.peek
        if claim is None or peek is None:
            return None
        record, latest = peek(claim.key), claim.latest
        if latest is None or latest.record is not record or latest.quiet_until <= now:
            return self._open_peeked(claim, peer, record, readonly)
        return Session(self, claim, peer, readonly, record, latest.content)

    def _open_peeked(self, claim: Claim, peer: Peer, record: Record | None, readonly: bool) -> Session | None:
        if self.turns.taken(claim):
            return None
        if claim.may_insert:
            return Session(self, claim, peer, readonly)
        if record is None or MOVED in record.data or not self.lifetimes.lives(record):
            return None
        session = Session(self, claim, peer, readonly)
        session.reset(record.data)
        session.took(record)
        session.touch()
        return session

    def _not_there(self, claim: Claim, peer: Peer) -> None:
        """The id names nothing: dead, for ever. Only a browser that comes over HTTP gets another."""
        if peer.transport != "http":
            # Soon, not now: the answer to this call leaves first.
            asyncio.get_running_loop().call_soon(self.ended, claim, None)
            raise SessionGone
        id = cookie.new_id()
        claim.move(id, self.key_for(id), fresh=True)

    async def create(self, values: Values | None = None, user_id: str | None = None) -> Session:
        """A new stored session, made by the server itself (tests, jobs)."""
        self.start()  # no server may have yet: a test or a job can come first
        session = await self.open(Peer())
        session.update(values or {})
        await insert(session, session.changes(), user_id)  # under an id that nobody else has yet
        return session

    # -- a user's sessions, from outside: see devices.py -------------------------------------------

    of_user = devices.of_user
    end_all = devices.end_all
    all = devices.all
    show = devices.show
    end = devices.end
