"""Browsers: which session one comes with, by its cookie, and how it learns of another, by a cookie or a ticket."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import suppress

from rpc_sessions.errors import SessionGone, StoreUnavailable
from rpc_sessions.request import Peer, log
from rpc_sessions.session import cookie, moved, ticket
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.expected import Expected
from rpc_sessions.session.merge import EMPTY, Values, pack
from rpc_sessions.session.moved import Moved
from rpc_sessions.session.options import in_production
from rpc_sessions.session.reserved import COOKIE
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.tracking import SESSION_ENDED, Tracking

MOST_RENEWALS = 8  # a ticket is a record in the store, and whoever is logged in may ask for one

_A_WHILE = 0.1  # seconds; no log-in elsewhere reaches a browser in less


class Browsers(Tracking):
    """The sessions of a server, by the browsers that hold their ids."""

    def __init__(self) -> None:
        super().__init__()
        self._secrets: list[str] = []
        self._for_now: defaultdict[str, list[Peer]] = defaultdict(list)
        self._expected = Expected()

    def require_secret(self, *, must: bool = False) -> None:
        """Have a secret: the options', or a random one. ConfigError where it must be one of your own."""
        known, self._secrets = self._secrets, self.options.signing_secrets(must=must)
        if not known and self.store.name == "memory" and in_production():
            log.warning("the memory store forgets its sessions with the process: choose another for production")

    @property
    def secrets(self) -> list[str]:
        """The secrets that cookies may be signed with, the one that signs first."""
        if not self._secrets:
            self.require_secret()
        return self._secrets

    def claim(self, cookie_header: str) -> Claim:
        """The claim of an HTTP request. No store is asked."""
        id = cookie.read(cookie_header, self.options.key, self.secrets)
        if id is None:
            return self.new_claim()
        claim = Claim(id, self.key_for(id), fresh=False, browser_ids=[id])
        live = self.claims.get(claim.key)
        if live:
            live.shown()
        if live and live.fresh:
            claim.fresh, claim.borrowed, claim.twin = True, live.borrowed, live
        return claim

    def claim_of(self, id: str) -> Claim:
        """A claim on a session whose id is known, for calls within the process."""
        return Claim(id, self.key_for(id), fresh=False)

    # -- a browser opens a socket ------------------------------------------------------------------

    async def connect(self, socket: Peer, cookie_header: str) -> bool:
        """Give a socket its claim, before its handshake is answered. True: the 101 must set the cookie.

        StoreUnavailable if the session cannot be read now: a store that is down makes nobody anonymous.
        """
        claim, record = self.claim(cookie_header), None
        if claim.twin:
            claim = claim.twin
        elif not claim.fresh:
            known = await self._connect_known(socket, claim)
            if known is None:
                self._connect_for_now(socket, cookie_header)
                return False
            claim, record = known
        self.claims.join(claim, socket)
        if record:
            self.saw(claim, record)
        if claim.recheck:
            claim.recheck = False
            await self.check(claim)
        unknown = not claim.browser_ids
        if unknown:
            claim.told(claim.id)
        return unknown or record is not None  # a known one again, so that the cookie lives as long as the session

    async def _connect_known(self, socket: Peer, claim: Claim) -> tuple[Claim, Record | None] | None:
        """The claim for a cookie's id, and what is stored. None: the browser is about to get another cookie."""
        claim = self.claims.get(claim.key) or claim
        self.claims.join(claim, socket)  # before the read: a move takes the socket along, an end closes it
        key = claim.key
        try:
            record = await self.fetch(claim, follow=False)
        except Moved as gone:
            self.claims.leave(socket)
            return None if gone.guarded else (self.new_claim(), None)
        if key != claim.key:  # it moved on, and this handshake has the old cookie
            self.claims.leave(socket)
            return None
        if record is None and not claim.may_insert:
            self.claims.leave(socket)
            self.ended(claim, None)  # of sockets that have not heard of it yet
            if self._expected.holds(claim.key):  # a cookie of this handshake's would be a third
                return None
            claim = self._borrowed_claim(claim.id) if self.store.shared else self.new_claim()
        return claim, record

    def _borrowed_claim(self, id: str) -> Claim:
        """For an id that is not stored: another process may have handed it out, or its session has ended."""
        claim = Claim(id, self.key_for(id), fresh=True, browser_ids=[id])
        claim.borrowed = True
        return claim

    def _connect_for_now(self, socket: Peer, cookie_header: str) -> None:
        """A socket with a cookie that is about to be replaced: it may read, and comes back with the new one."""
        claim = socket.claim = self.claim(cookie_header)
        self._for_now[claim.key].append(socket)
        if not self._expected.holds(claim.key):
            asyncio.get_running_loop().call_later(moved.GRACE, self._send_back, claim.key)
        elif len(self._for_now[claim.key]) == 1:
            self._let_wait(claim.key)

    def _let_wait(self, key: str) -> None:
        asyncio.get_running_loop().call_later(_A_WHILE, self._see_if_it_came, key)

    def _see_if_it_came(self, key: str) -> None:
        if self._expected.awaits(key):
            self._let_wait(key)
        else:
            self._send_back(key)

    def _send_back(self, key: str) -> None:
        """The sockets that came for now with an id come back with the new one."""
        for socket in self._for_now.pop(key, ()):
            socket.close(SESSION_ENDED, "session ended")

    # -- the browser learns the id ------------------------------------------------------------------

    async def ticket_for(self, claim: Claim, peer: Peer, id: str) -> str:
        """A ticket for an id that a browser behind a WebSocket does not know; "" where none is needed."""
        if peer.transport != "websocket" or claim.browser_ids[-1:] == [id]:
            return ""
        return await ticket.issue(self.store.current, id, claim.browser_ids)

    def announce(self, claim: Claim, peer: Peer, code: str) -> None:
        """The browser must learn of the claim's id: by the HTTP reply, or by the ticket."""
        claim.set_cookie()
        if code:
            claim.told(claim.id)
            peer.ticketed = claim.id
            peer.notify("rpc.session", {"ticket": code})

    async def begin_anew(self, peer: Peer) -> None:
        """A socket has ended its session and speaks for a new id: so must its browser.

        Until it does, no handshake gives it a third. If no ticket can be made now, it learns of the id with the
        first save.
        """
        claim = peer.claim
        if peer.transport != "websocket" or claim is None or not claim.fresh or claim.id in claim.browser_ids:
            return  # nobody is sent a ticket
        keys = [self.key_for(id) for id in claim.browser_ids]
        self._expected.begin(keys, claim)  # before the first wait: the other tabs are on their way back
        try:
            self.announce(claim, peer, await self.ticket_for(claim, peer, claim.id))
        except StoreUnavailable:
            self._expected.withdraw(keys, claim)

    async def renew_ticket(self, peer: Peer) -> bool:
        """Send a socket another ticket: the first one may be lost.

        False if it was sent none for this id (whoever else has a socket of the session has the cookie from
        elsewhere, or should not have it), or so many that one more would not help.
        """
        claim = peer.claim
        if claim is None or peer.ticketed != claim.id or len(claim.browser_ids) < 2:
            return False
        if claim.renewals >= MOST_RENEWALS:
            return False
        claim.renewals += 1
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
            old = self.key_for(presented)
            await moved.arrived(self.store.current, old)
            self._expected.arrived(old)
            self._send_back(old)
        return claim

    async def check_cookie(self, claim: Claim) -> None:
        """A reply that leaves long after its save must not give the browser an id back that is dead by now."""
        if claim.cookie != "set" or claim.fresh or claim.cookie_at + _A_WHILE > time.monotonic():
            return
        with suppress(SessionGone, StoreUnavailable):
            if await self.fetch(claim):
                return
        claim.cookie = ""

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

    def beginning(self, peer: Peer) -> str:
        """The text that a new session begins with.

        An Express application sets the cookie again with what is stored in the session: there, our attributes are.
        """
        if not self.store.plain_ids:
            return EMPTY
        options = self.options.cookie
        secure = peer.https if options.secure == "auto" else bool(options.secure)
        found: Values = {"httpOnly": options.http_only, "path": options.path, "sameSite": options.same_site.lower()}
        found |= {"secure": True} if secure else {}
        found |= {"domain": options.domain} if options.domain else {}
        return pack({COOKIE: found})
