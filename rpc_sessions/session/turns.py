"""Work on a session that must not meet itself: one at a time, and to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

from rpc_sessions.session.claim import Claim
from rpc_sessions.session.unfinished import Unfinished

T = TypeVar("T")


class Turns:
    """Who is storing a session for the first time, moving or ending it, in this process."""

    def __init__(self) -> None:
        self._taken: dict[str, asyncio.Event] = {}
        self._unfinished = Unfinished()

    @asynccontextmanager
    async def turn(self, claim: Claim) -> AsyncIterator[None]:
        """Nobody else in this process stores the session for the first time, moves or ends it meanwhile."""
        await self.settled(claim)
        key, done = self._take(claim)
        try:
            yield
        finally:
            self._give_back(key, done)

    def _take(self, claim: Claim) -> tuple[str, asyncio.Event]:
        self._taken[claim.key] = done = asyncio.Event()
        return claim.key, done

    def _give_back(self, key: str, done: asyncio.Event) -> None:
        if self._taken.get(key) is done:
            del self._taken[key]
        done.set()

    def taken(self, claim: Claim) -> bool:
        """Whether somebody has the turn."""
        return claim.key in self._taken

    async def settled(self, claim: Claim) -> bool:
        """Wait until nobody has the turn. True if there was something to wait for."""
        waited = False
        while done := self._taken.get(claim.key):
            await done.wait()
            waited = True
        return waited

    def afterwards(self, claim: Claim, work: Coroutine[None, None, object]) -> None:
        """Go on with this in the turn that the caller has; it need not wait."""
        key, done = self._take(claim)

        async def run() -> None:
            try:
                await work
            finally:
                self._give_back(key, done)

        self._unfinished.start(run())

    async def to_the_end(self, work: Coroutine[None, None, T]) -> T:
        """Await work that goes on when the caller is cancelled."""
        return await self._unfinished.to_the_end(work)
