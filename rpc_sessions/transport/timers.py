"""What happens every so often: pings for all connections, and the sweep of expired sessions."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.request import log
from rpc_sessions.types import seconds

if TYPE_CHECKING:
    from rpc_sessions.transport.context import Context

SWEEP_EVERY = 60.0


class Timers:
    """Started by the first request, so that they run in the loop that serves, whoever made it."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, context: Context) -> None:
        """Begin, unless it has begun."""
        if self._tasks:
            return
        interval, timeout = seconds(context.options.ping_interval), seconds(context.options.ping_timeout)
        self._repeat(SWEEP_EVERY, lambda: _sweep(context))
        if interval:
            self._repeat(min(interval, timeout or interval) / 4, lambda: _ping(context, interval, timeout))

    def _repeat(self, every: float, function: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            while True:
                await asyncio.sleep(every)
                await function()

        self._tasks.append(asyncio.get_running_loop().create_task(run()))

    async def stop(self) -> None:
        """Stop, and wait until all have."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _ping(context: Context, interval: float, timeout: float) -> None:
    now = asyncio.get_running_loop().time()
    for connection in list(context.connections.values()):
        connection.keep_alive(now, interval, timeout)


async def _sweep(context: Context) -> None:
    try:
        await context.sessions.store.current.gc(time.time())
    except StoreUnavailable as error:
        log.warning("expired sessions were not swept: %s", error)
    except Exception:  # a store is anybody's: the next sweep comes all the same
        log.exception("expired sessions were not swept")
