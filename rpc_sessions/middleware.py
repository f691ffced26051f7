"""Middleware: the chain that a call goes through, and where its links come from.

A middleware is ``async def check(req, res, next)``. It answers (``res(...)``, ``res.error(...)``, an
exception) or awaits ``next()``, once. Anything else is a ChainError, and the action does not run.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path

from rpc_sessions.errors import ChainError, ConfigError
from rpc_sessions.modules import load_module, module_files
from rpc_sessions.request import Request, Response, log
from rpc_sessions.types import Middleware, MiddlewareFactory, Next

Last = Callable[[], Awaitable[object]]


async def run_chain(layers: Sequence[Middleware], req: Request, res: Response, last: Last) -> object:
    """Run the layers in order and ``last`` behind them; what ``last`` returned, or None if it did not run."""
    if not layers:
        return await last()
    if isinstance(layers[0], Bracket):
        return await _bracketed(layers[0], layers[1:], req, res, last)
    following = _Next(layers, req, res, last)
    await layers[0](req, res, following)
    following.check()
    return following.value


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
        if (entering := self.enter(req, res)) is not None:
            await entering
        await next()
        if (leaving := self.leave(req, res)) is not None:
            await leaving


async def _bracketed(layer: Bracket, rest: Sequence[Middleware], req: Request, res: Response, last: Last) -> object:
    if (entering := layer.enter(req, res)) is not None:
        await entering
    value = await (run_chain(rest, req, res, last) if rest else last())
    if (leaving := layer.leave(req, res)) is not None:
        await leaving
    return value


class _Next:
    """The ``next`` of one layer: called and awaited exactly once."""

    __slots__ = ("_called", "_finished", "_last", "_layers", "_left", "_req", "_res", "_started", "value")

    def __init__(self, layers: Sequence[Middleware], req: Request, res: Response, last: Last) -> None:
        self._layers, self._req, self._res, self._last = layers, req, res, last
        self._called = self._started = self._finished = self._left = False
        self.value: object = None

    def __call__(self) -> _Next:
        if self._called:
            raise self._broken("called next() twice")
        self._called = True
        return self

    def __await__(self) -> Generator[object, None, object]:
        if self._started:
            raise self._broken("awaited next() twice")
        if self._left:  # a task of the layer's, which comes too late: the call has its answer
            raise self._broken("did not await next()")
        self._started = True
        try:
            self.value = yield from run_chain(self._layers[1:], self._req, self._res, self._last).__await__()
        finally:
            self._finished = True
        return self.value

    def check(self) -> None:
        """ChainError unless the layer, which has returned, did its duty."""
        self._left = True
        if self._called and not self._finished:
            raise self._broken("did not await next()")
        if not self._called and not self._res.answered:
            raise self._broken("neither answered nor called next()")

    def _broken(self, how: str) -> ChainError:
        return ChainError(f"{_name(self._layers[0])} {how}")


def _name(layer: Middleware) -> str:
    return f"middleware {getattr(layer, '__qualname__', type(layer).__qualname__).replace('.<locals>', '')}"


class MiddlewareRegistry:
    """Middleware by name: the built-in ones, and the functions of the files in ``middleware/`` folders."""

    def __init__(self, builtin: dict[str, MiddlewareFactory]) -> None:
        self._factories = dict(builtin)
        self._modules: set[str] = set()

    def load(self, folder: Path) -> None:
        """Take the public functions of all files below a folder. ConfigError listing each that cannot be imported."""
        problems: list[str] = []
        for path, name in module_files(folder):
            self._modules |= {name, *(name[:i] for i, char in enumerate(name) if char == ".")}
            try:
                self._load(path, name)
            except ConfigError as error:
                problems += error.problems
        if problems:
            raise ConfigError(*problems)

    def _load(self, path: Path, name: str) -> None:
        module = load_module(path, f"middleware.{name}")
        for function_name, function in vars(module).items():
            own = inspect.isfunction(function) and function.__module__ == module.__name__
            if own and not function_name.startswith("_"):
                self._add(f"{name}.{function_name}", function)

    def _add(self, name: str, factory: MiddlewareFactory) -> None:
        if name in self._factories:
            raise ConfigError(f"middleware {name} exists twice")
        self._factories[name] = factory

    def make(self, name: str | Middleware, /, *config: object, **options: object) -> Middleware:
        """The middleware of a ``use``. ConfigError, one sentence, if there is none or it is of no use."""
        if callable(name):
            return _checked(name, _name(name))
        factory = self._factories.get(name) if isinstance(name, str) else None
        if factory is None:
            raise ConfigError(self._unknown(name))
        try:
            inspect.signature(factory).bind(*config, **options)
        except TypeError as error:
            raise ConfigError(f"middleware {name}: {error}") from None
        try:
            layer = factory(*config, **options)
        except ConfigError:
            raise
        except Exception as error:
            raise ConfigError(f"middleware {name} raised {type(error).__name__}: {error}") from error
        return _checked(layer, f"middleware {name}")

    def _unknown(self, name: object) -> str:
        if name in self._modules:
            return f"{name!r} is a file or folder of middleware: name a function in it, as {name}.function"
        return f"unknown middleware {name!r}; there are {', '.join(sorted(self._factories))}"


def _checked(layer: object, name: str) -> Middleware:
    if inspect.iscoroutine(layer):
        layer.close()  # an async factory: refused just below, and its coroutine will never run
    call = layer if inspect.isfunction(layer) else getattr(layer, "__call__", None)  # noqa: B004 (its signature)
    if not callable(layer) or not inspect.iscoroutinefunction(inspect.unwrap(call) if call else None):
        raise ConfigError(f"{name} must return an async function (req, res, next), not {layer!r}")
    try:
        inspect.signature(layer).bind(None, None, None)
    except TypeError:
        raise ConfigError(f"{name} must return a function of (req, res, next)") from None
    return layer


def debug(*config: object) -> Middleware:
    """The built-in middleware ``debug``: logs each call, its params and what came of it."""

    async def debug_layer(req: Request, res: Response, next: Callable[[], Awaitable[object]]) -> None:
        log.info("%s %s %r", req.transport, req.method, req.params)
        value = await next()
        log.info("%s %s -> %r", req.transport, req.method, res.failure or (res.value if res.answered else value))

    return debug_layer
