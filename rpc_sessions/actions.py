"""Find, check and register action modules: the files of ``rpc/`` that define ``actions(req, res, ss)``.

``actions`` runs once, at start. The ``req`` and ``res`` it is given stand for those of whichever call
is running: each call has its own, kept apart by a context variable, so a call costs no new closures.
What ``actions`` itself sets up is therefore shared by all calls, as a module's globals are.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rpc_sessions.chain import compose
from rpc_sessions.errors import ConfigError, problem
from rpc_sessions.middleware import MiddlewareRegistry
from rpc_sessions.modules import explain, load_module, module_files
from rpc_sessions.params import Plan
from rpc_sessions.request import Request, Response, current_call
from rpc_sessions.types import Action, Middleware

if TYPE_CHECKING:
    from rpc_sessions.session.session import Session


class Method:
    """One callable method: the names of its layers, the plan for its params, and the two put together.

    run: to be awaited; what the action returns. RPCError, at once too, or whatever the chain raises.
    """

    __slots__ = ("name", "plan", "run", "uses")

    def __init__(self, name: str, action: Action, layers: tuple[Middleware, ...], uses: frozenset[str]) -> None:
        self.name = name
        self.uses = uses
        self.plan = Plan(action)
        self.run = compose(layers, self._act)

    def _act(self, req: Request, res: Response) -> Awaitable[object]:
        called: Awaitable[object] = self.plan.call(req.params)
        return called


class _Use(NamedTuple):
    line: int
    name: str
    config: tuple[object, ...]
    options: dict[str, object]


class _CurrentRequest:
    """The ``req`` of an action module: records ``use`` at start, then stands for the running call's."""

    uses: list[_Use]
    sealed: bool

    def __init__(self) -> None:
        # Past __setattr__, which writes to the running call's request.
        object.__setattr__(self, "uses", [])
        object.__setattr__(self, "sealed", False)

    def use(self, name: str, /, *config: object, **options: object) -> None:
        if self.sealed:
            raise RuntimeError("req.use belongs in actions(req, res, ss), not in an action")
        self.uses.append(_Use(sys._getframe(1).f_lineno, name, config, options))

    @property
    def session(self) -> Session:
        """As any other attribute of the call's request, in fewer steps: it is asked for most."""
        call = current_call.get(None)
        opened = call[0].opened if call else None
        return _current("session")[0].session if opened is None else opened

    def __getattr__(self, name: str) -> object:
        return getattr(_current(name)[0], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(_current(name)[0], name, value)


class _CurrentResponse:
    """The ``res`` of an action module: stands for the running call's."""

    def __call__(self, value: object = None) -> None:
        _current("()")[1](value)

    def __getattr__(self, name: str) -> object:
        return getattr(_current(name)[1], name)


def _current(name: str) -> tuple[Request, Response]:
    try:
        return current_call.get()
    except LookupError:
        raise RuntimeError(f"no call is running: only an action can ask for {name!r}") from None


def load_actions(folder: Path, registry: MiddlewareRegistry, ss: object) -> dict[str, Method]:
    """All methods of a folder, by full name. ConfigError listing everything that is wrong with any."""
    methods: dict[str, Method] = {}
    problems: list[str] = []
    for path, name in module_files(folder):
        try:
            methods |= _load(path, name, registry, ss)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(*problems)
    return methods


def _load(path: Path, name: str, registry: MiddlewareRegistry, ss: object) -> dict[str, Method]:
    if name.split(".")[0] == "rpc":
        raise ConfigError(problem(path, 1, "names that begin with rpc. are the protocol's own: rename the file"))
    module = load_module(path, f"rpc.{name}")
    factory = getattr(module, "actions", None)
    if not inspect.isfunction(factory):
        raise ConfigError(problem(path, 1, "defines no function actions(req, res, ss)"))
    req = _CurrentRequest()
    line = factory.__code__.co_firstlineno
    if inspect.iscoroutinefunction(factory):
        raise ConfigError(problem(path, line, "actions is no async function: it runs once, at start"))
    try:
        returned = factory(req, _CurrentResponse(), ss)
        returned = list(returned) if inspect.isgenerator(returned) else returned
    except Exception as error:
        raise ConfigError(explain(error, path)) from error
    object.__setattr__(req, "sealed", True)
    layers = _layers(path, req.uses, registry)
    uses = frozenset(use.name for use in req.uses if isinstance(use.name, str))  # the others are functions
    methods = [_method(path, f"{name}.{key}", action, layers, uses) for key, action in _named(path, line, returned)]
    return {method.name: method for method in methods}


def _layers(path: Path, uses: list[_Use], registry: MiddlewareRegistry) -> tuple[Middleware, ...]:
    layers, problems = [], []
    for use in uses:
        try:
            layers.append(registry.make(use.name, *use.config, **use.options))
        except ConfigError as error:
            problems.append(problem(path, use.line, str(error)))
    if problems:
        raise ConfigError(*problems)
    return tuple(layers)


def _named(path: Path, line: int, returned: object) -> list[tuple[str, Action]]:
    """What ``actions`` returned as (name, function), checked."""
    if isinstance(returned, Mapping):
        pairs = list(returned.items())
    elif inspect.isfunction(returned):
        pairs = [(returned.__name__, returned)]
    else:
        try:
            pairs = [(getattr(item, "__name__", None), item) for item in returned]  # type: ignore[attr-defined]  # or TypeError
        except TypeError:
            hint = "; it returned None: is `return` missing?" if returned is None else ""
            raise ConfigError(problem(path, line, f"actions must return functions, or a dict of them{hint}")) from None
    names = [name for name, _ in pairs]
    if problems := [fault for name, item in pairs if (fault := _fault(path, line, name, item, names))]:
        raise ConfigError(*problems)
    return pairs


def _fault(path: Path, line: int, name: object, action: object, names: list[object]) -> str:
    line = action.__code__.co_firstlineno if inspect.isfunction(action) else line
    if not inspect.iscoroutinefunction(action):
        return problem(path, line, f"{name or action!r} is not an async function: write `async def`")
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
        return problem(path, line, f"{name!r} cannot be the name of an action")
    return problem(path, line, f"{name} is returned twice") if names.count(name) > 1 else ""


def _method(path: Path, name: str, action: Action, layers: tuple[Middleware, ...], uses: frozenset[str]) -> Method:
    try:
        return Method(name, action, layers, uses)
    except (TypeError, NameError) as error:
        line = action.__code__.co_firstlineno if inspect.isfunction(action) else 1
        raise ConfigError(problem(path, line, f"the annotations of {name} cannot be checked: {error}")) from error
