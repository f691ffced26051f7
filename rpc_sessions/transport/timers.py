"""What happens every so often: pings for all connections, and the sweep of expired sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rpc_sessions.live.watch import Watcher
from rpc_sessions.request import log
from rpc_sessions.session.sweep import Sweep
from rpc_sessions.types import seconds

if TYPE_CHECKING:
    from rpc_sessions.transport.context import Context

SWEEP_EVERY = 60.0
TICK = 1.0
_PATIENCE = 5.0  # seconds for a timer that will not be broken off


class Timers:
    """Started by the first request, so that they run in the loop that serves, whoever made it."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._watcher: Watcher | None = None

    def start(self, context: Context) -> None:
        """Begin, unless it has begun."""
        if self._tasks:
            return
        watcher = self._watcher = Watcher(context.sessions)
        # Whether sessions are used is not known for good: a handler of the user's own may be the first.
        self._repeat(seconds(context.sessions.options.poll_interval), watcher.look, at_once=True)
        self._repeat(TICK, watcher.tick)
        interval, timeout = seconds(context.options.ping_interval), seconds(context.options.ping_timeout)
        self._repeat(SWEEP_EVERY, Sweep(context.sessions.store))
        if interval:
            self._repeat(min(interval, timeout or interval) / 4, lambda: _ping(context, interval, timeout))

    def _repeat(self, every: float, function: Callable[[], Awaitable[None]], *, at_once: bool = False) -> None:
        async def run() -> None:
            if at_once:
                await _carefully(function)
            while True:
                await asyncio.sleep(every)
                await _carefully(function)

        self._tasks.append(asyncio.get_running_loop().create_task(run()))

    async def stop(self) -> None:
        """Stop, and wait until all have; not for ever, for a store is anybody's."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)
        if self._watcher:
            await self._watcher.stop()


async def _carefully(function: Callable[[], Awaitable[None]]) -> None:
    try:
        await function()
    except Exception:  # a store is anybody's: the next time comes all the same
        log.exception("a timer failed")


async def _ping(context: Context, interval: float, timeout: float) -> None:
    now = asyncio.get_running_loop().time()
    for connection in list(context.connections.values()):
        connection.keep_alive(now, interval, timeout)
