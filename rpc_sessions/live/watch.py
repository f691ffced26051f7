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


class Watcher:
    """Looks after the sessions of the open sockets of this process."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._deaf = False  # the store cannot tell
        self._away = False

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
        await self._check(self._sessions.claims.all())

    async def _listen(self, store: Watches) -> None:
        self._deaf = True
        async with aclosing(cast("AsyncGenerator[str | None]", store.watch())) as keys:
            async for key in keys:
                self._deaf = self._away = False
                claim = self._sessions.claims.get(key) if key is not None else None
                await self._check(self._sessions.claims.all() if key is None else [claim] if claim else [])

    async def _check(self, claims: Iterable[Claim]) -> None:
        """Check claims, some at a time."""
        waiting = iter(claims)

        async def work() -> None:
            for claim in waiting:
                with suppress(StoreUnavailable):  # the next look comes
                    await self._sessions.check(claim)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))

    async def tick(self) -> None:
        """Check the sessions that seem to have expired; push out the expiry of those whose user is there."""
        now, clock = time.time(), asyncio.get_running_loop().time()
        for claim in self._sessions.claims.all():
            if not claim.expires:  # not stored yet
                continue
            spoke = max(socket.spoke for socket in claim.sockets)
            with suppress(StoreUnavailable):  # the next tick comes
                if self._sessions.lifetimes.end_of(claim) <= now:
                    await self._sessions.check(claim)
                elif spoke > claim.used:
                    claim.used = spoke
                    await self._sessions.keep_alive(claim, clock - spoke)
