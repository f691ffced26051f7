"""How a server stops: its running calls may finish, then all is let go of. Nothing that hangs holds it up for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rpc_sessions.request import log
from rpc_sessions.transport.context import Context
from rpc_sessions.transport.websocket import GOING_AWAY

_PATIENCE = 5.0  # seconds for a store to close


async def drain(context: Context, span: float, hurry: asyncio.Event) -> None:
    """Wait until no call runs; ``span`` seconds at most, and only until ``hurry`` is set. Idle sockets are closed."""

    def done() -> bool:
        for connection in list(context.connections.values()):
            if not connection.running:
                connection.close(GOING_AWAY, "going away")
        return hurry.is_set() or not (context.dispatcher.running or context.requests)

    if not await _until(done, span):
        log.warning("%d calls were still running after %g s: cancelled", context.dispatcher.running, span)


async def hang_up(context: Context) -> None:
    """Cancel the calls that still run, and close all sockets: those whose clients do not answer after a second."""
    context.dispatcher.end_all()
    for connection in list(context.connections.values()):
        connection.close(GOING_AWAY, "going away")
    await _until(lambda: not (context.connections or context.dispatcher.running or context.requests), 1.0)
    for connection in list(context.connections.values()):
        connection.abort()


async def let_go(context: Context) -> None:
    """Stop the timers and close the store."""
    await context.timers.stop()
    context.dispatcher.close()
    try:
        await asyncio.wait_for(context.sessions.store.current.close(), _PATIENCE)
    except TimeoutError:
        log.warning("the %s store was not closed within %g s", context.sessions.store.name, _PATIENCE)


async def _until(done: Callable[[], bool], span: float) -> bool:
    """Wait until a condition holds, ``span`` seconds at most. Whether it holds."""
    end = asyncio.get_running_loop().time() + span
    while not done() and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 (a look at many things)
        await asyncio.sleep(0.02)
    return done()
