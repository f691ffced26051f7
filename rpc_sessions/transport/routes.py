"""``ss.http``: routes, and handlers of Tornado's own."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import tornado.web
from tornado.routing import PathMatches, Rule

from rpc_sessions.errors import ConfigError, problem
from rpc_sessions.transport.context import Context, Use
from rpc_sessions.transport.handler import RequestHandler
from rpc_sessions.transport.messages import HTTPRequest, HTTPResponse
from rpc_sessions.types import Middleware

RouteFunction = Callable[[HTTPRequest, HTTPResponse], Awaitable[object]]
F = TypeVar("F", bound=RouteFunction)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


class Route(NamedTuple):
    path: str
    function: RouteFunction
    methods: tuple[str, ...]
    use: tuple[Use, ...]
    where: tuple[str, int]


class Mount(NamedTuple):
    pattern: str
    handler: type[tornado.web.RequestHandler]
    arguments: dict[str, Any]  # what any Tornado handler's initialize() may take
    where: tuple[str, int]


class HTTP:
    """``ss.http``: ``@ss.http.route(path)`` and ``ss.http.mount(pattern, Handler, arguments)``."""

    def __init__(self) -> None:
        self._routes: list[Route] = []
        self._mounts: list[Mount] = []

    def route(
        self, path: str, *, methods: Sequence[str] = METHODS, use: Sequence[Use] = ("session",)
    ) -> Callable[[F], F]:
        """Serve a path with ``async def function(req, res)``.

        path: "/cart", or with fields: "/cart/{item}", found in ``req.params``. methods: those
        accepted (405 for others). use: middleware, by default the session.
        """

        def register(function: F) -> F:
            code = inspect.unwrap(function).__code__
            where = (code.co_filename, code.co_firstlineno)
            accepted = tuple(method.upper() for method in methods)
            self._routes.append(Route(path, function, accepted, tuple(use), where))
            return function

        return register

    def mount(
        self, pattern: str, handler: type[tornado.web.RequestHandler], arguments: dict[str, Any] | None = None
    ) -> None:
        """Serve a regular expression of paths with any Tornado handler."""
        frame = inspect.currentframe()
        caller = frame.f_back if frame else None
        where = (caller.f_code.co_filename, caller.f_lineno) if caller else ("", 1)
        self._mounts.append(Mount(pattern, handler, arguments or {}, where))

    def rules(self, context: Context) -> list[Rule]:
        """The rules of all routes and mounts. ConfigError listing, by file and line, all that is wrong."""
        rules: list[Rule] = []
        problems: list[str] = []
        taken: set[str] = set()
        for route in self._routes:
            try:
                rules.append(_route_rule(route, context, taken))
            except ConfigError as error:
                problems.append(problem(*route.where, str(error)))
        for mount in self._mounts:
            try:
                rules.append(_mount_rule(mount, context))
            except (ConfigError, re.error) as error:
                problems.append(problem(*mount.where, str(error)))
        if problems:
            raise ConfigError(*problems)
        return rules


def _route_rule(route: Route, context: Context, taken: set[str]) -> Rule:
    if not route.path.startswith("/") or route.path in taken:
        raise ConfigError(f"the path {route.path!r} is {'taken' if route.path in taken else 'without its slash'}")
    if route.path == "/rpc" or route.path.startswith("/rpc/"):
        raise ConfigError(f"the path {route.path!r} is the protocol's own")
    if unknown := set(route.methods) - set(METHODS):
        raise ConfigError(f"unknown HTTP method {', '.join(sorted(unknown))}")
    if not inspect.iscoroutinefunction(inspect.unwrap(route.function)):
        raise ConfigError("a route is an async function (req, res)")
    try:
        inspect.signature(route.function).bind(None, None)
    except TypeError:
        raise ConfigError("a route is an async function (req, res)") from None
    taken.add(route.path)
    arguments = {"context": context, "route": route, "route_layers": context.layers(route.use)}
    return Rule(PathMatches(_pattern(route.path)), RouteHandler, arguments)


def _pattern(path: str) -> str:
    """The regular expression of a path with fields."""
    parts = re.split(r"\{(\w+)\}", path)
    texts = [f"(?P<{part}>[^/]+)" if i % 2 else re.escape(part) for i, part in enumerate(parts)]
    return "".join(texts) + "$"


def _mount_rule(mount: Mount, context: Context) -> Rule:
    if not (inspect.isclass(mount.handler) and issubclass(mount.handler, tornado.web.RequestHandler)):
        raise ConfigError(f"mount takes a tornado.web.RequestHandler class, not {mount.handler!r}")
    if issubclass(mount.handler, RequestHandler):
        context.layers(mount.handler.use)  # a name that does not exist is found at start
    return Rule(PathMatches(mount.pattern), mount.handler, mount.arguments)


class RouteHandler(RequestHandler):
    """The handler behind ``ss.http.route``."""

    def initialize(self, context: Context, route: Route, route_layers: tuple[Middleware, ...]) -> None:
        self._route = route
        self._layers = route_layers

    def layers(self, context: Context) -> tuple[Middleware, ...]:
        return self._layers

    async def prepare(self) -> None:
        if self.request.method not in self._route.methods:
            self.set_header("Allow", ", ".join(self._route.methods))
            raise tornado.web.HTTPError(405)
        await super().prepare()

    async def _serve(self, *args: str, **kwargs: str) -> None:
        value = await self._route.function(self.req, self.res)
        if not self.res.answered:
            self.res(value)
        elif value is not None:
            self.res(value)  # logged as the second answer it is
        self.write_answer()

    get = head = post = put = patch = delete = _serve
