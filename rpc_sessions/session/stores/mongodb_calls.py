"""Calls of MongoDB's drivers go on to their end, or their timeout, when whoever waits for them is cancelled.

PyMongo 4.20 does not stand being broken off. While it looks for a server, that can leave its client's lock in a state
in which no later call ends, not even ``close``: see ``_async_cond_wait`` in its lock.py, and ``asyncio.wait_for`` of
Python 3.11. And a connection that is just being made stays open. Calls are cancelled every day, when a client hangs up
or a deadline passes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

FAREWELL = 1.0  # seconds, at the end, for what is under way; the server would notice by itself that we are gone

T = TypeVar("T")
P = ParamSpec("P")


class Calls:
    """The calls that are under way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Future[Any]] = set()  # Any: whatever each gives

    def start(self, call: Awaitable[T]) -> asyncio.Future[T]:
        """Begin a call. Await ``asyncio.shield`` of it."""
        task = asyncio.ensure_future(call)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # there may be nobody any more who wants to know

    async def end(self) -> None:
        """Wait for what is under way; not for ever."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FAREWELL)


class HasCalls(Protocol):
    calls: Calls


S = TypeVar("S", bound=HasCalls)
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def to_the_end(method: Method[S, P, T]) -> Method[S, P, T]:
    """A method that goes on when its caller is cancelled."""

    @wraps(method)
    async def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.shield(self.calls.start(method(self, *args, **kwargs)))

    return run
