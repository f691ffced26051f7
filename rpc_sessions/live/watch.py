"""What happens to the sessions of open sockets elsewhere: in other processes, in an Express app, in time.

The store tells of changes, where it can (``Watches``); otherwise the sessions of open sockets are read
every ``poll_interval``. Either way the sockets follow a session to its new id, hear of its changes, and
are closed with 4401 when it is gone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from typing import cast

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.request import log
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.sessions import Sessions
from rpc_sessions.session.stores.base import Watches

_AT_ONCE = 32
_PAUSE = 1.0  # seconds, before what failed is tried again


class Watcher:
    """Looks after the sessions of the open sockets of this process."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._deaf = False  # the store cannot tell
        self._away = False
        self._due: set[Claim] = set()
        self._checking: asyncio.Task[None] | None = None

    async def look(self) -> None:
        """Check all sessions that changed, as the store tells; once, where it tells nothing."""
        if not self._sessions.store.shared:
            return
        store = self._sessions.store.current
        try:
            if isinstance(store, Watches) and not self._deaf:
                await self._listen(store)
        except StoreUnavailable as error:
            if not self._away:
                log.warning("sessions are polled while the store is away: %s: %s", error, error.cause)
            self._away = True
        self._check(self._sessions.claims.all())

    async def _listen(self, store: Watches) -> None:
        told = False
        async with aclosing(cast("AsyncGenerator[str | None]", store.watch())) as keys:
            async for key in keys:
                told, self._away = True, False
                claim = self._sessions.claims.get(key) if key is not None else None
                self._check(self._sessions.claims.all() if key is None else [claim] if claim else [])
        self._deaf = not told

    def _check(self, claims: Iterable[Claim]) -> None:
        """Check claims soon. One that is told of many times is checked once, and the teller need not wait."""
        self._due.update(claims)
        if self._due and (self._checking is None or self._checking.done()):
            self._checking = asyncio.create_task(self._work())

    async def _work(self) -> None:
        async def work() -> None:
            while self._due:
                claim = self._due.pop()
                try:
                    await self._sessions.check(claim)
                except StoreUnavailable:
                    failed.add(claim)
                except Exception:  # a store is anybody's
                    log.exception("the session of open sockets could not be checked")

        failed: set[Claim] = set()
        while self._due:
            await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
            self._due |= failed
            if failed:
                failed.clear()
                await asyncio.sleep(_PAUSE)

    async def tick(self) -> None:
        """Check the sessions that seem to have expired; push out the expiry of those whose user is there."""
        now, clock = time.time(), asyncio.get_running_loop().time()
        for claim in self._sessions.claims.all():
            if not claim.expires:  # not stored yet
                continue
            spoke = max((socket.spoke for socket in claim.sockets), default=0.0)
            if self._sessions.lifetimes.end_of(claim) <= now:
                self._check([claim])
            elif spoke > claim.used:
                with suppress(StoreUnavailable):  # the next tick tries again
                    await self._sessions.keep_alive(claim, clock - spoke)
                    claim.used = spoke

    async def stop(self) -> None:
        """Check nothing more. What is under way may end: a driver that is broken off can leave a connection open."""
        self._due.clear()
        if self._checking is not None:
            await asyncio.wait((self._checking,), timeout=_PAUSE)
            self._checking.cancel()
