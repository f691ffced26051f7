"""How a server stops: its running calls may finish, then all is let go of. Nothing that hangs holds it up for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from rpc_sessions.request import current_call, log
from rpc_sessions.transport.context import Context, current_request
from rpc_sessions.transport.websocket import GOING_AWAY

if TYPE_CHECKING:
    from tornado.httpserver import HTTPServer

    from rpc_sessions.transport.fast_http import FastHTTPServer

_PATIENCE = 5.0  # seconds for a store to close
_MOMENT = 0.02  # seconds
LEAST = 1.0  # seconds to answer the call that stops the server


async def is_within(context: Context) -> bool:
    """Whether we are in a call or an HTTP request that is under way, or in a task that it has begun."""
    await asyncio.sleep(0)  # a call that has waited for nothing yet is not known as running
    _, res = current_call.get((None, None))
    return (res is not None and context.dispatcher.runs(res)) or current_request.get(None) in context.requests


async def stop(context: Context, server: HTTPServer | FastHTTPServer | None, span: float, hurry: asyncio.Event) -> None:
    """Give running calls ``span`` seconds, or until ``hurry`` is set; then let go of all there is."""
    if server:
        server.stop()
    await _drain(context, span, hurry)
    await _hang_up(context)
    if server:
        await server.close_all_connections()
    await _let_go(context)


async def _drain(context: Context, span: float, hurry: asyncio.Event) -> None:
    """Wait until no call runs; ``span`` seconds at most, and only until ``hurry`` is set. Idle sockets are closed."""
    await asyncio.sleep(_MOMENT)  # for the loop to read what has come already

    def done() -> bool:
        for connection in list(context.connections.values()):
            if not connection.running:
                connection.close(GOING_AWAY, "going away")
        return hurry.is_set() or not (context.dispatcher.running or context.requests)

    if not await _until(done, span):
        calls, requests = context.dispatcher.running, len(context.requests)
        log.warning("after %g s %d calls and %d HTTP requests were still running: cut short", span, calls, requests)


async def _hang_up(context: Context) -> None:
    """Cancel the calls that still run, and close all sockets: those whose clients do not answer after a second."""
    context.dispatcher.end_all()
    for connection in list(context.connections.values()):
        connection.close(GOING_AWAY, "going away")
    await _until(lambda: not (context.connections or context.dispatcher.running or context.requests), 1.0)
    for connection in list(context.connections.values()):
        connection.abort()


async def _let_go(context: Context) -> None:
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
        await asyncio.sleep(_MOMENT)
    return done()
