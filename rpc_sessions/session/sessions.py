"""``ss.session``: options and store, and the way from a cookie to a session and back."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress

from rpc_sessions.errors import SessionGone
from rpc_sessions.request import Peer, log
from rpc_sessions.session import cookie, devices, moved, ticket
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.merge import Values
from rpc_sessions.session.middleware import session_layer
from rpc_sessions.session.moved import Moved
from rpc_sessions.session.options import in_production
from rpc_sessions.session.session import Session
from rpc_sessions.session.tracking import SESSION_ENDED, Tracking
from rpc_sessions.types import Middleware, Seconds


class Sessions(Tracking):
    """The sessions of a server."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: list[str] = []

    def require_secret(self, *, must: bool = False) -> None:
        """Have a secret: the options', or a random one. ConfigError where it must be one of your own."""
        known, self._secrets = self._secrets, self.options.signing_secrets(must=must)
        if not known and self.store.name == "memory" and in_production():
            log.warning("the memory store forgets its sessions with the process: choose another for production")

    def start(self) -> None:
        """Take the options as they are now."""
        self.lifetimes.start(self.options)
        self.keeps_copies |= self.options.notify_changes

    def layer(self, *, autosave: bool = False, readonly: bool = False, max_age: Seconds = 0) -> Middleware:
        """The middleware ``session``."""
        layer = session_layer(self, autosave=autosave, readonly=readonly, max_age=max_age)
        self.keeps_copies |= bool(max_age)
        return layer

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
            return self.new_claim()
        claim = Claim(id, self.key_for(id), fresh=False, browser_ids=[id])
        live = self.claims.get(claim.key)
        if live and live.fresh:
            claim.fresh, claim.borrowed, claim.twin = True, live.borrowed, live
        return claim

    def claim_of(self, id: str) -> Claim:
        """A claim on a session whose id is known, for calls within the process."""
        return Claim(id, self.key_for(id), fresh=False)

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
            try:
                record = await self.fetch(claim, follow=False)
            except Moved as gone:
                self.claims.leave(socket)
                if gone.guarded:
                    self._connect_for_now(socket, cookie_header)
                    return False
                claim = self.new_claim()
            if record is None and not claim.may_insert:
                self.claims.leave(socket)
                self.ended(claim, None)  # of sockets that have not heard of it yet
                claim = self._borrowed_claim(claim.id) if self.store.shared else self.new_claim()
        self.claims.join(claim, socket)
        if record:
            self.saw(claim, record)
        unknown = not claim.browser_ids
        if unknown:
            claim.told(claim.id)
        return unknown or record is not None  # a known one again, so that the cookie lives as long as the session

    def _borrowed_claim(self, id: str) -> Claim:
        """For an id that is not stored: another process may have handed it out, or its session has ended."""
        claim = Claim(id, self.key_for(id), fresh=True, browser_ids=[id])
        claim.borrowed = True
        return claim

    def _connect_for_now(self, socket: Peer, cookie_header: str) -> None:
        """A socket with a cookie that is about to be replaced: it may read, and comes back with the new one."""
        socket.claim = self.claim(cookie_header)
        asyncio.get_running_loop().call_later(moved.GRACE, socket.close, SESSION_ENDED, "session ended")

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
            return session
        try:
            await session.load()
        except Moved as gone:
            if gone.guarded and not claim.sockets:
                session.look_back(gone.before)
                return session
            claim.stored()  # another process stored it under this id, and moved it on
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

    async def create(self, values: Values | None = None, user_id: str | None = None) -> Session:
        """A new stored session, made by the server itself (tests, jobs)."""
        self.start()  # no server may have yet: a test or a job can come first
        session = await self.open(Peer())
        session.update(values or {})
        await session.insert(session.changes(), user_id)
        return session

    # -- and back: the browser learns the id -------------------------------------------------------

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

    async def renew_ticket(self, peer: Peer) -> bool:
        """Send a socket another ticket: the first one may be lost. False if its browser needs none."""
        claim = peer.claim
        if claim is None or peer.transport != "websocket" or len(claim.browser_ids) < 2:
            return False
        code = await ticket.issue(self.store.current, claim.id, claim.browser_ids)
        peer.notify("rpc.session", {"ticket": code})
        return True

    async def redeem(self, code: str, cookie_header: str) -> Claim | None:
        """The session that a ticket brings to the browser with this cookie; None if it brings none."""
        presented = cookie.read(cookie_header, self.options.key, self.secrets)
        id = await ticket.redeem(self.store.current, code, presented)
        if id is None:
            return None
        claim = self.claim_of(id)
        with suppress(Moved):  # once more: another ticket is under way
            if record := await self.fetch(claim):  # None: nothing is stored under it yet
                self.saw(claim, record)
        if presented and presented != id:
            await moved.arrived(self.store.current, self.key_for(presented))
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
        return cookie.header(
            self.options.key, value, claim.idle or self.lifetimes.idle, self.options.cookie, https=https
        )

    def token(self) -> str:
        """A token for a new record."""
        return secrets.token_hex(8)

    # -- a user's sessions, from outside: see devices.py -------------------------------------------

    of_user = devices.of_user
    end_all = devices.end_all
    all = devices.all
    show = devices.show
    end = devices.end
