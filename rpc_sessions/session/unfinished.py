"""Work that goes on to its end when whoever waits for it is cancelled: half of it would be worse."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Unfinished:
    """The work that is under way. It is kept here: a loop holds on to no task."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[Any]] = set()  # Any: whatever each gives

    def start(self, work: Awaitable[T]) -> asyncio.Future[T]:
        """Begin work. Await ``asyncio.shield`` of it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def to_the_end(self, work: Awaitable[T]) -> T:
        """What work gives, or raises."""
        return await asyncio.shield(self.start(work))

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever was cancelled does not ask for it: that is no fault to log

    async def end(self, within: float | None = None) -> None:
        """Wait until nothing is under way, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._tasks:  # some may begin meanwhile
                    await asyncio.wait(self._tasks)
