"""Middleware by name: what the layers of ``req.use`` are made from. How they run: chain.py."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path

from rpc_sessions.chain import name_of
from rpc_sessions.errors import ConfigError
from rpc_sessions.modules import load_module, module_files
from rpc_sessions.request import Request, Response, log
from rpc_sessions.types import Middleware, MiddlewareFactory


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
            return _checked(name, name_of(name))
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
        if isinstance(name, str) and name in self._modules:
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
        log.info("%s %s %r", req.transport, req, req.params)
        value = await next()
        log.info("%s %s -> %r", req.transport, req, res.failure or (res.value if res.answered else value))

    return debug_layer
