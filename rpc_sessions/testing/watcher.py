"""Hears what a store tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from rpc_sessions.session.stores.base import Watches


class Watcher:
    """What a store tells, heard by a task: ``async with Watcher(store) as watcher``, once it listens or has ended.

    What the store raises is raised here and by ``hears``.
    within: how many seconds the store may take to listen, or to tell. heard: all that it told.
    """

    def __init__(self, store: Watches, within: float = 5.0) -> None:
        self._store, self._within = store, within
        self.heard: list[str | None] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        self._task.add_done_callback(lambda _task: self._news.set())
        try:
            await self._until(lambda: bool(self.heard) or self.ended, "it neither listens nor ends")
        except BaseException:
            await self.stop()
            raise
        if self.ended:
            await self._task
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    @property
    def ended(self) -> bool:
        """Whether the store has nothing more to tell."""
        return self._task.done()

    async def hears(self, *keys: str | None) -> None:
        """Wait until all of these were told. AssertionError if they are not."""
        await self._until(lambda: set(keys) <= set(self.heard), f"it was not told of some of {keys}")

    async def stop(self) -> None:
        """Stop to listen."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        async for key in self._store.watch():
            self.heard.append(key)
            self._news.set()

    async def _until(self, done: Callable[[], bool], complaint: str) -> None:
        end = asyncio.get_running_loop().time() + self._within
        while not done():
            self._news.clear()
            if self.ended:
                await self._task
                raise AssertionError(complaint)
            try:
                async with asyncio.timeout_at(end):
                    await self._news.wait()
            except TimeoutError:
                raise AssertionError(complaint) from None
