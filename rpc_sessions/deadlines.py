"""End calls that take too long, with one timer for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from rpc_sessions.loops import RunningLoop
from rpc_sessions.request import Response


class Deadlines:
    """Running calls in the order they began, which is the order in which they run out of time."""

    def __init__(self, expire: Callable[[Response], None]) -> None:
        self._expire = expire
        self._ends: dict[Response, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_loop: asyncio.AbstractEventLoop | None = None
        self._loop = RunningLoop()

    def __contains__(self, res: Response) -> bool:
        return res in self._ends

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Response]:
        return iter(list(self._ends))

    def add(self, res: Response, span: float) -> None:
        """Watch a call for ``span`` seconds."""
        loop = self._loop()
        self._ends[res] = end = loop.time() + span
        if self._timer is None or self._timer_loop is not loop:
            self._timer_loop, self._timer = loop, loop.call_at(end, self._check)

    def remove(self, res: Response) -> None:
        """The call has ended. The timer stays: cancelling it would cost more than its one idle run."""
        self._ends.pop(res, None)

    def _check(self) -> None:
        loop = self._loop()
        self._timer = None
        late = [res for res, end in self._ends.items() if end <= loop.time()]
        for res in late:
            self._ends[res] = float("inf")
            self._expire(res)
        if upcoming := [end for end in self._ends.values() if end != float("inf")]:
            self._timer = loop.call_at(min(upcoming), self._check)

    def close(self) -> None:
        """Stop watching."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
