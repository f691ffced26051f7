"""The chain that a call goes through: its layers around its action, put together once.

A layer is a middleware, ``async def check(req, res, next)``. It answers (``res(...)``, ``res.error(...)``, an
exception) or awaits ``next()``, once. Anything else is a ChainError, and the action does not run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import TypeAlias

from rpc_sessions.errors import ChainError
from rpc_sessions.request import Request, Response
from rpc_sessions.types import Middleware, Next

Link: TypeAlias = Callable[[Request, Response], Awaitable[object]]


def compose(layers: Sequence[Middleware], last: Link) -> Link:
    """The layers in order, and ``last`` behind them: gives what ``last`` returned, or None if it did not run."""
    for layer in reversed(layers):
        last = _bracketed(layer, last) if isinstance(layer, Bracket) else _watched(layer, last)
    return last


class Bracket:
    """A layer that does something before and after the rest, and never keeps it from running.

    It has nothing to be watched for, and often nothing to wait for: a chain of it costs half as much.
    """

    def enter(self, req: Request, res: Response) -> Awaitable[None] | None:
        """Before the rest; to be awaited, if it is not done at once."""
        raise NotImplementedError

    def leave(self, req: Request, res: Response) -> Awaitable[None] | None:
        """After the rest, unless that raised; to be awaited, if it is not done at once."""
        raise NotImplementedError

    async def __call__(self, req: Request, res: Response, next: Next) -> None:
        """As any middleware."""
        await _bracketed(self, lambda _, __: next())(req, res)


def _bracketed(layer: Bracket, rest: Link) -> Link:
    enter, leave = layer.enter, layer.leave

    async def run(req: Request, res: Response) -> object:
        if (entering := enter(req, res)) is not None:
            await entering
        value = await rest(req, res)
        if (leaving := leave(req, res)) is not None:
            await leaving
        return value

    return run


def _watched(layer: Middleware, rest: Link) -> Link:
    async def run(req: Request, res: Response) -> object:
        following = _Next(layer, rest, req, res)
        try:
            await layer(req, res, following)
        finally:
            following.left = True  # a task of the layer's that awaits it now comes too late: the call has its answer
        following.check()
        return following.value

    return run


class _Next:
    """The ``next`` of one layer: called and awaited exactly once."""

    __slots__ = ("_called", "_finished", "_layer", "_req", "_res", "_rest", "_started", "left", "value")

    def __init__(self, layer: Middleware, rest: Link, req: Request, res: Response) -> None:
        self._layer, self._rest, self._req, self._res = layer, rest, req, res
        self._called = self._started = self._finished = self.left = False
        self.value: object = None

    def __call__(self) -> _Next:
        if self._called:
            raise self._broken("called next() twice")
        self._called = True
        return self

    def __await__(self) -> Generator[object, None, object]:
        if self._started:
            raise self._broken("awaited next() twice")
        if self.left:
            raise self._broken("did not await next()")
        self._started = True
        try:
            self.value = yield from self._rest(self._req, self._res).__await__()
        finally:
            self._finished = True
        return self.value

    def check(self) -> None:
        """ChainError unless the layer, which has returned, did its duty."""
        if self._called and not self._finished:
            raise self._broken("did not await next()")
        if not self._called and not self._res.answered:
            raise self._broken("neither answered nor called next()")

    def _broken(self, how: str) -> ChainError:
        return ChainError(f"{name_of(self._layer)} {how}")


def name_of(layer: Middleware) -> str:
    """A layer, as messages name it."""
    return f"middleware {getattr(layer, '__qualname__', type(layer).__qualname__).replace('.<locals>', '')}"
