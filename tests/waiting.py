"""Waiting for what tells nobody that it has happened: no test sleeps and hopes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(done: Callable[[], object], within: float = 15) -> None:
    """TimeoutError if it does not become true in so many seconds."""
    async with asyncio.timeout(within):
        while not done():  # noqa: ASYNC110 (nobody sets an event)
            await asyncio.sleep(0.01)
