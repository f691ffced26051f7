"""Calls of a database's driver go on to their end, or their timeout, when whoever waits for them is cancelled.

To break off a statement costs its connection. And ``close`` waits for whole calls: none finds nothing to use in its
middle, and makes anew what nobody closes.

PyMongo 4.20 does not stand being broken off. While it looks for a server, that can leave its client's lock in a state
in which no later call ends, not even ``close``: see ``_async_cond_wait`` in its lock.py, and ``asyncio.wait_for`` of
Python 3.11. And a connection that is just being made stays open. Calls are cancelled every day, when a client hangs up
or a deadline passes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from rpc_sessions.session.unfinished import Unfinished

FAREWELL = 1.0  # seconds, at the end, for what is under way; the server would notice by itself that we are gone

T = TypeVar("T")
P = ParamSpec("P")


class HasCalls(Protocol):
    """calls: those that are under way."""

    calls: Unfinished


S = TypeVar("S", bound=HasCalls)
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def to_the_end(method: Method[S, P, T]) -> Method[S, P, T]:
    """A method that goes on when its caller is cancelled. ``calls.end`` waits for it."""

    @wraps(method)
    async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.calls.to_the_end(method(self, *args, **kwargs))

    return run
