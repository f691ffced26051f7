"""Reads that share round trips, where a driver's own cost for one is many times that of a read.

Few are under way at a time, and what is asked for meanwhile shares the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from rpc_sessions.loops import RunningLoop

T = TypeVar("T")

_ROUND_TRIPS = 2
_MOST = 100  # reads in one


class JoinedReads(Generic[T]):
    """fetch: reads some keys, and gives their answers in that order; an exception in the place of one is raised there.

    What it raises itself, all its reads raise. It goes on when those who wait for it are cancelled.
    """

    def __init__(self, fetch: Callable[[Sequence[str]], Awaitable[Sequence[T | Exception]]]) -> None:
        self._fetch = fetch
        self._running = RunningLoop()
        self._forget()

    def _forget(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: list[tuple[str, asyncio.Future[T]]] = []
        self._under_way: set[asyncio.Task[None]] = set()

    def read(self, key: str) -> asyncio.Future[T]:
        loop = self._running()
        if loop is not self._loop:  # whoever asked in another loop waits no more
            self._forget()
            self._loop = loop
        answer: asyncio.Future[T] = loop.create_future()
        self._asked.append((key, answer))
        if len(self._under_way) < _ROUND_TRIPS:
            task = asyncio.Task(self._work(), loop=loop)  # begins when all who are ready now have asked
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return answer

    async def end(self, within: float) -> None:
        """Wait until nothing is under way, at most so many seconds."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within)

    async def _work(self) -> None:
        while self._asked:
            asked, self._asked = self._asked[:_MOST], self._asked[_MOST:]
            await self._answer(asked)

    async def _answer(self, asked: Sequence[tuple[str, asyncio.Future[T]]]) -> None:
        answers: Sequence[T | Exception]
        try:
            answers = await self._fetch([key for key, _ in asked])
        except Exception as error:
            answers = [error] * len(asked)
        for (_, waiting), answer in zip(asked, answers, strict=True):
            if waiting.done():  # its call was cancelled
                continue
            if isinstance(answer, Exception):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)
