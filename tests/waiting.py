"""Waiting for what tells nobody that it has happened: no test sleeps and hopes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(done: Callable[[], object], within: float = 30) -> None:
    """TimeoutError if it does not become true in so many seconds."""
    async with asyncio.timeout(within):
        while not done():  # noqa: ASYNC110 (nobody sets an event)
            await asyncio.sleep(0.01)


class Gate:
    """Holds who comes, from the first ``await gate()``, until the test lets them go."""

    def __init__(self) -> None:
        self._reached, self._open = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        self._reached.set()
        await self._open.wait()

    async def reached(self, within: float = 30) -> None:
        """Wait until somebody is held. TimeoutError if nobody comes in so many seconds."""
        await asyncio.wait_for(self._reached.wait(), within)

    def let_go(self) -> None:
        self._open.set()
