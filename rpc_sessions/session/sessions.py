"""``ss.session``: options and store, and the way from a cookie to a session and back."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TypeVar, cast

from rpc_sessions.errors import SessionGone
from rpc_sessions.request import Peer, log
from rpc_sessions.session import cookie, ticket
from rpc_sessions.session.claim import Claim, Claims
from rpc_sessions.session.merge import Values, unpack
from rpc_sessions.session.middleware import session_layer
from rpc_sessions.session.options import SessionOptions, in_production
from rpc_sessions.session.session import Session
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.choice import StoreChoice
from rpc_sessions.session.values import CHANNELS, MAX_AGE
from rpc_sessions.types import Middleware, seconds

SESSION_ENDED = 4401
T = TypeVar("T")


class Sessions:
    """The sessions of a server."""

    def __init__(self) -> None:
        self.options = SessionOptions()
        self.store = StoreChoice()
        self.claims = Claims()
        self.idle = self.absolute = 0.0
        self._touch_after: float | None = None
        self._secrets: list[str] = []
        self._turns: dict[str, asyncio.Event] = {}
        self._unfinished: set[object] = set()

    def require_secret(self, *, must: bool = False) -> None:
        """Have a secret: the options', or a random one. ConfigError where it must be one of your own."""
        known, self._secrets = self._secrets, self.options.signing_secrets(must=must)
        if not known and self.store.name == "memory" and in_production():
            log.warning("the memory store forgets its sessions with the process: choose another for production")

    def start(self) -> None:
        """Take the lifetimes of the options as they are now."""
        self.idle = self.options.idle
        self.absolute = (
            float("inf") if self.options.absolute_max_age is None else seconds(self.options.absolute_max_age)
        )
        self._touch_after = None if self.options.touch_after is None else seconds(self.options.touch_after)

    def layer(self, *, autosave: bool = False, readonly: bool = False) -> Middleware:
        """The middleware ``session``."""
        return session_layer(self, autosave=autosave, readonly=readonly)

    @property
    def secrets(self) -> list[str]:
        """The secrets that cookies may be signed with, the one that signs first."""
        if not self._secrets:
            self.require_secret()
        return self._secrets

    # -- from a cookie to a session ----------------------------------------------------------------

    def claim(self, cookie_header: str) -> Claim:
        """The claim of an HTTP request. No store is asked."""
        id = cookie.read(cookie_header, self.options.key, self.secrets)
        if id is None:
            return self._new_claim()
        claim = Claim(id, self.key_for(id), fresh=False, browser_ids=[id])
        live = self.claims.get(claim.key)
        if live and live.fresh:
            claim.fresh, claim.twin = True, live
        return claim

    def claim_of(self, id: str) -> Claim:
        """A claim on a session whose id is known, for calls within the process."""
        return Claim(id, self.key_for(id), fresh=False)

    def _new_claim(self) -> Claim:
        id = cookie.new_id()
        return Claim(id, self.key_for(id), fresh=True)

    async def connect(self, socket: Peer, cookie_header: str) -> bool:
        """Give a socket its claim, before its handshake is answered. True: the 101 must set the cookie.

        StoreUnavailable if the session cannot be read now: a store that is down makes nobody anonymous.
        """
        claim, record = self.claim(cookie_header), None
        if claim.twin:
            claim = claim.twin
        elif not claim.fresh:
            claim = self.claims.get(claim.key) or claim
            self.claims.join(claim, socket)  # before the read: a move takes the socket along, an end closes it
            record = await self.fetch(claim)
            if record is None and not claim.may_insert:
                self.claims.leave(socket)
                claim = self._new_claim()
        self.claims.join(claim, socket)
        if record:
            self.saw(claim, record)
        unknown = not claim.browser_ids
        if unknown:
            claim.told(claim.id)
        return unknown or record is not None  # a known one again, so that the cookie lives as long as the session

    async def open(self, peer: Peer, *, readonly: bool = False) -> Session:
        """The session of a peer, read from the store. Over WebSocket SessionGone if it has ended."""
        if peer.claim is None:
            peer.claim = self.claim(peer.headers.get("Cookie", ""))
        claim = peer.claim
        session = Session(self, claim, peer, readonly=readonly)
        await session.load()
        if session.record is not None:
            session.touch()
        elif not claim.may_insert:
            self._not_there(claim, peer)
        return session

    def _not_there(self, claim: Claim, peer: Peer) -> None:
        """The id names nothing: dead, for ever. Only a browser that comes over HTTP gets another."""
        if peer.transport != "http":
            # Soon, not now: the answer to this call leaves first.
            asyncio.get_running_loop().call_soon(self.ended, claim, None)
            raise SessionGone
        id = cookie.new_id()
        claim.move(id, self.key_for(id), fresh=True)

    async def fetch(self, claim: Claim) -> Record | None:
        """The claim's record, unless it is not there, has expired or is past its absolute age."""
        record = None
        key = ""
        while key != claim.key:  # the session may move to another id while the store is asked
            if claim.may_insert:
                return None
            key = claim.key
            record = await self.store.current.load(key)
            if record is None and await self.settled(claim):
                key = ""
        if record is None or min(record.expires, record.created + self.absolute) <= time.time():
            return None
        return record

    async def to_the_end(self, work: Coroutine[None, None, T]) -> T:
        """Await work that goes on when the caller is cancelled."""
        task = asyncio.ensure_future(work)
        self._unfinished.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    def _finished(self, task: asyncio.Future[T]) -> None:
        self._unfinished.discard(task)
        if not task.cancelled():
            task.exception()  # whoever was cancelled does not ask for it: that is no fault to log

    @asynccontextmanager
    async def turn(self, claim: Claim) -> AsyncIterator[None]:
        """In this process nobody else stores the session for the first time, or moves it, meanwhile."""
        await self.settled(claim)
        key, done = claim.key, asyncio.Event()
        self._turns[key] = done
        try:
            yield
        finally:
            del self._turns[key]
            done.set()

    async def settled(self, claim: Claim) -> bool:
        """Wait until nobody is about to store or to move the session. True if there was something to wait for."""
        waited = False
        while done := self._turns.get(claim.key):
            await done.wait()
            waited = True
        return waited

    async def create(self, values: Values | None = None, user_id: str | None = None) -> Session:
        """A new stored session, made by the server itself (tests, jobs)."""
        self.start()  # no server may have yet: a test or a job can come first
        session = await self.open(Peer())
        session.update(values or {})
        await session.insert(session.changes(), user_id)
        return session

    # -- what sessions tell ------------------------------------------------------------------------

    def saw(self, claim: Claim, record: Record) -> None:
        """A session reports the record it read or wrote: who its user is, what it listens to."""
        if claim.fresh:
            claim.stored()
        claim.idle = self.idle_of(record)
        live = self.claims.get(claim.key)
        if live is not None and record.token not in live.seen:  # one read early may come late: it is old by then
            live.seen = (*live.seen[-7:], record.token)
            channels = unpack(record.data).get(CHANNELS) if CHANNELS in record.data else None
            self.claims.identify(live, record.user_id, frozenset(cast("list[str]", channels or [])))

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

    async def ticket_for(self, claim: Claim, peer: Peer, id: str) -> str:
        """A ticket for an id that a browser behind a WebSocket does not know; "" where none is needed."""
        if peer.transport != "websocket" or claim.browser_ids[-1:] == [id]:
            return ""
        return await ticket.issue(self.store.current, id, claim.browser_ids)

    def announce(self, claim: Claim, peer: Peer, code: str) -> None:
        """The browser must learn of the claim's id: by the HTTP reply, or by the ticket."""
        claim.cookie = "set"
        if code:
            claim.told(claim.id)
            peer.notify("rpc.session", {"ticket": code})

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
                anew = self._new_claim()
                anew.browser_ids = live.browser_ids
                self.claims.join(anew, socket)
            else:
                socket.close(SESSION_ENDED, "session ended")

    async def redeem(self, code: str, cookie_header: str) -> Claim | None:
        """The session that a ticket brings to the browser with this cookie; None if it brings none."""
        presented = cookie.read(cookie_header, self.options.key, self.secrets)
        id = await ticket.redeem(self.store.current, code, presented)
        if id is None:
            return None
        claim = self.claim_of(id)
        if record := await self.fetch(claim):  # None: nothing is stored under it yet
            self.saw(claim, record)
        return claim

    def set_cookie(self, claim: Claim, *, https: bool) -> str | None:
        """The Set-Cookie header that a reply must carry, if any."""
        if claim.cookie == "set":
            return self.cookie_for(claim, https=https)
        if claim.cookie == "clear" and claim.browser_ids:
            return cookie.header(self.options.key, "", 0, self.options.cookie, https=https)
        return None

    def cookie_for(self, claim: Claim, *, https: bool) -> str:
        """A Set-Cookie header with the signed id, which lives as long as the session."""
        value = cookie.sign(claim.id, self.secrets[0])
        return cookie.header(self.options.key, value, claim.idle or self.idle, self.options.cookie, https=https)

    # -- small things ------------------------------------------------------------------------------

    def key_for(self, id: str) -> str:
        """The key of a session in the store: the SHA-256 of its id, so that a stolen store opens no session."""
        return sha256(id.encode()).hexdigest()

    def token(self) -> str:
        """A token for a new record."""
        return secrets.token_hex(8)

    def expiry(self, created: float, idle: float = 0.0) -> float:
        """When a session that is used now ends: seconds since the epoch. idle: its own max_age, if it has one."""
        return min(time.time() + (idle or self.idle), created + self.absolute)

    def idle_of(self, record: Record) -> float:
        """How long a session lives unused."""
        own = unpack(record.data).get(MAX_AGE) if MAX_AGE in record.data else None
        return cast(float, own) if own else self.idle

    def is_due(self, pushed: float, idle: float) -> bool:
        """Whether an expiry that moves by so many seconds is worth a write, for a session that lives so long unused."""
        return pushed >= (idle / 10 if self._touch_after is None else min(self._touch_after, idle / 2))
