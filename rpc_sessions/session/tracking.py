"""What is known of the sessions of open sockets, and what is done about it: they follow, hear, and are closed.

``Sessions`` is this, with the ways in: cookies, tickets, the session of a call.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as with_changes
from hashlib import sha256
from typing import cast

from rpc_sessions.hints import refuse_to_replace
from rpc_sessions.request import Peer
from rpc_sessions.session import cookie, moved
from rpc_sessions.session.claim import Claim, Claims
from rpc_sessions.session.content import Latest
from rpc_sessions.session.lifetimes import Lifetimes
from rpc_sessions.session.loads import Loads
from rpc_sessions.session.merge import EMPTY, changes, unpack
from rpc_sessions.session.moved import Moved
from rpc_sessions.session.options import SessionOptions
from rpc_sessions.session.reserved import CHANNELS, RESERVED
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.choice import StoreChoice
from rpc_sessions.session.turns import Turns

SESSION_ENDED = 4401
_INSTEAD = {
    "store": 'ss.session.store.use("file", path="sessions")',
    "options": "its members, as ss.session.options.max_age = 3600",
}


class Tracking:
    """The sessions of a server, by what speaks for them."""

    def __init__(self) -> None:
        self.options = SessionOptions()
        self.store = StoreChoice()
        self.claims = Claims()
        self.lifetimes = Lifetimes(self.options)
        self.turns = Turns()
        self.keeps_copies = False
        self._loads = Loads()
        self._authors: dict[str, Peer] = {}

    def __setattr__(self, name: str, value: object) -> None:
        refuse_to_replace(self, name, _INSTEAD)
        object.__setattr__(self, name, value)

    def new_claim(self) -> Claim:
        """On a new id."""
        id = cookie.new_id()
        return Claim(id, self.key_for(id), fresh=True)

    def key_for(self, id: str) -> str:
        """The key of a session in the store: the SHA-256 of its id, so that a stolen store opens no session.

        In a store with ``plain_ids`` it is the id.
        """
        return id if self.store.plain_ids else sha256(id.encode()).hexdigest()

    # -- what the store says -----------------------------------------------------------------------

    async def fetch(self, claim: Claim, *, follow: bool = True) -> Record | None:
        """The claim's record, unless it is not there, has expired or is past its absolute age.

        A claim with sockets follows a session that another process has moved, unless ``follow`` is False.
        Anybody else gets Moved.
        """
        while True:
            if claim.may_insert and not (self.store.shared and (claim.sockets or claim.twin)):
                return None  # nobody else knows its id
            before, busy = (claim.key, claim.may_insert), self.turns.taken(claim)
            record = await self._load(claim)
            if before != (claim.key, claim.may_insert):
                continue  # it moved to another id, or was stored, while the store was asked
            gone = moved.read(record, claim.id) if record else None
            # A record of a fresh claim is not settled: it may yet be taken away, with what is saved to it.
            if (record is None or gone or before[1]) and (await self.turns.settled(claim) or busy):
                continue
            if gone is None or gone.late:
                return record if record and not gone and self.lifetimes.lives(record) else None
            if not (follow and claim.sockets) or claim.borrowed:
                raise gone
            claim.told(gone.id)
            claim.set_cookie()
            self.moved(claim, gone.id)

    async def _load(self, claim: Claim) -> Record | None:
        if self.store.shared and self.claims.get(claim.key):  # its reads come in the order they were asked for
            return await self._loads.load(self.store.current, claim.key)
        return await self.store.current.load(claim.key)

    async def check(self, claim: Claim) -> None:
        """See what has become of the session of open sockets: they follow it, hear of changes, or are closed."""
        if not (claim.fresh or claim.expires):
            claim.recheck = True  # a handshake is under way, whose read may have been before
            return
        record, asked = None, time.monotonic()
        try:
            record = await self.fetch(claim)
        except Moved:
            claim.stored()
        if record:
            self.saw(claim, record, asked=asked)
        elif not claim.may_insert and self.claims.get(claim.key) is claim:
            self.ended(claim, None)

    async def keep_alive(self, claim: Claim, ago: float) -> None:
        """The user was there so many seconds ago: push the expiry out, if that is due."""
        expires = self.lifetimes.expiry(claim.created, claim.idle, ago)
        due = not claim.fresh and self.lifetimes.is_due(expires - claim.expires, claim.idle)
        if due and not await self.touch(claim, expires):
            await self.check(claim)

    async def touch(self, claim: Claim, expires: float) -> bool:
        """Push a session's expiry out. False if it is not there: it has ended, or moved to another id.

        A touch asks for no token, so it may hit the note of a session that has just moved, which gets its end back,
        or one that has just been given a longer max_age, which gets that.
        """
        store, id, key = self.store.current, claim.id, claim.key
        if not await store.touch(key, expires):
            return False
        record = await store.load(key)
        if record and (gone := moved.read(record, id)):
            await store.touch(key, gone.until - moved.GRACE + moved.KEPT)
            return False
        if record and (longer := self.lifetimes.expiry(record.created, self.lifetimes.idle_of(record))) > expires + 60:
            expires = longer
            await store.touch(key, expires)
        self._touched(claim, expires)
        return True

    # -- what sessions tell ------------------------------------------------------------------------

    def saw(self, claim: Claim, record: Record, by: Peer | None = None, asked: float | None = None) -> None:
        """A session reports the record it read or wrote.

        by: who wrote it, if that is known. asked: when the read began (time.monotonic()), if it was read.
        """
        live = self.claims.get(claim.key)
        first = live is not None and live.fresh
        claim.stored()
        claim.idle = self.lifetimes.idle_of(record)
        token = hash(record.token)
        if live is None or token in live.seen[:-1]:  # one read early may come late: it is old by then
            return
        live.created, live.expires, live.idle = record.created, record.expires, claim.idle
        before, by = live.copy, by or self._authors.get(record.token)
        if self.keeps_copies:
            live.copy, live.copied_at = record, time.monotonic() if asked is None else asked
        if self.store.peek:
            live.latest = Latest(record, self.lifetimes.quiet_until(record, claim.idle))
        if token not in live.seen:
            live.seen = (*live.seen[-7:], token)
            channels = unpack(record.data).get(CHANNELS) if CHANNELS in record.data else None
            self.claims.identify(live, record.user_id, frozenset(cast("list[str]", channels or [])))
            if self.options.notify_changes and (before or first):
                _tell_changes(live, before, record, by)

    @contextmanager
    def written_by(self, peer: Peer, record: Record) -> Iterator[None]:
        """While a record is written: the store may tell of it before it has answered."""
        self._authors[record.token] = peer
        try:
            yield
        finally:
            del self._authors[record.token]

    def _touched(self, claim: Claim, expires: float) -> None:
        if live := self.claims.get(claim.key):
            live.expires = expires

    def copy_of(self, claim: Claim, max_age: float) -> Record | None:
        """The latest record of a live claim, if it was read at most so many seconds ago."""
        live = self.claims.get(claim.key)
        if live is None or live.copy is None or live.copied_at + max_age < time.monotonic():
            return None
        copy = with_changes(live.copy, expires=live.expires)
        return copy if self.lifetimes.lives(copy) else None

    def moved(self, claim: Claim, id: str, *, fresh: bool = False) -> None:
        """The session has a new id: its sockets follow."""
        key = self.key_for(id)
        live = self.claims.get(claim.key)
        if live is not None:
            self.claims.move(live, id, key, fresh=fresh)
        if claim is not live:
            if live is not None:
                live.told(id)
            claim.move(id, key, fresh=fresh)
            claim.twin = live if fresh else None

    def ended(self, claim: Claim, by: Peer | None) -> None:
        """The session is over: its sockets are closed, but the one that ended it, which starts anew."""
        claim.cookie = "clear"
        claim.stored()
        live = self.claims.get(claim.key)
        if live is None:
            return
        live.stored()
        for socket in list(live.sockets):
            self.claims.leave(socket)
            if socket is by:
                anew = self.new_claim()
                anew.browser_ids = live.browser_ids
                self.claims.join(anew, socket)
            else:
                socket.close(SESSION_ENDED, "session ended")


def _tell_changes(claim: Claim, before: Record | None, record: Record, by: Peer | None) -> None:
    """Tell the sockets which keys are different now; not the one that changed them."""
    changed = changes(before.data if before else EMPTY, unpack(record.data))
    keys = sorted(key for key in changed.set.keys() | changed.removed if not key.startswith(RESERVED))
    if not keys and record.user_id == (before.user_id if before else None):
        return
    for socket in claim.sockets:
        if socket is not by:
            socket.notify("rpc.session", {"changed": keys})
