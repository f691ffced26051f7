"""``ss.http``: routes, and handlers of Tornado's own."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import tornado.web
from tornado.routing import PathMatches, Rule

from rpc_sessions.chain import Link, compose
from rpc_sessions.errors import ConfigError, problem
from rpc_sessions.request import Request, Response
from rpc_sessions.transport.context import Context, Use
from rpc_sessions.transport.handler import RequestHandler
from rpc_sessions.transport.messages import HTTPRequest, HTTPResponse

RouteFunction = Callable[[HTTPRequest, HTTPResponse], Awaitable[object]]
F = TypeVar("F", bound=RouteFunction)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
BUILTIN = ("/healthz", "/readyz", "/metrics")


class Route(NamedTuple):
    path: str
    function: RouteFunction
    methods: Sequence[str]
    use: Sequence[Use]
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

        path: "/cart", or with fields: "/cart/{item}", found in ``req.params``. methods: those accepted, by default
        all; with GET goes HEAD (405 for others). use: middleware, by default the session.
        """
        if callable(path):
            raise TypeError('a route has a path: write @ss.http.route("/path")')

        def register(function: F) -> F:
            code = getattr(inspect.unwrap(function), "__code__", None)
            where = (code.co_filename, code.co_firstlineno) if code else _caller()
            self._routes.append(Route(path, function, methods, use, where))
            return function

        return register

    def mount(
        self, pattern: str, handler: type[tornado.web.RequestHandler], arguments: dict[str, Any] | None = None
    ) -> None:
        """Serve a regular expression of paths with any Tornado handler."""
        self._mounts.append(Mount(pattern, handler, arguments or {}, _caller()))

    def rules(self, context: Context) -> list[Rule]:
        """The rules of all routes and mounts. ConfigError listing, by file and line, all that is wrong."""
        rules: list[Rule] = []
        problems: list[str] = []
        taken = set(BUILTIN)
        for route in self._routes:
            try:
                rules.append(_route_rule(route, context, taken))
            except ConfigError as error:
                problems.append(problem(*route.where, str(error)))
            except re.error as error:
                problems.append(problem(*route.where, f"the fields of the path {route.path!r}: {error}"))
        for mount in self._mounts:
            try:
                rules.append(_mount_rule(mount, context))
            except (ConfigError, re.error) as error:
                problems.append(problem(*mount.where, str(error)))
        if problems:
            raise ConfigError(*problems)
        return rules


def _caller() -> tuple[str, int]:
    """File and line of whoever called a method of this module."""
    frame = sys._getframe(2)
    return frame.f_code.co_filename, frame.f_lineno


def _route_rule(route: Route, context: Context, taken: set[str]) -> Rule:
    if not route.path.startswith("/") or route.path in taken:
        raise ConfigError(f"the path {route.path!r} is {'taken' if route.path in taken else 'without its slash'}")
    if route.path == "/rpc" or route.path.startswith("/rpc/"):
        raise ConfigError(f"the path {route.path!r} is the protocol's own")
    if isinstance(route.methods, str) or not route.methods:
        raise ConfigError(f"methods is a list of one or more, not {route.methods!r}")
    methods = [method.upper() for method in route.methods]
    if unknown := set(methods) - set(METHODS):
        raise ConfigError(f"unknown HTTP method {', '.join(sorted(unknown))}")
    route = route._replace(methods=[*methods, "HEAD"] if "GET" in methods and "HEAD" not in methods else methods)
    if not inspect.iscoroutinefunction(inspect.unwrap(route.function)):
        raise ConfigError("a route is an async function (req, res)")
    try:
        inspect.signature(route.function).bind(None, None)
    except TypeError:
        raise ConfigError("a route is an async function (req, res)") from None
    taken.add(route.path)
    chain = compose(context.layers(route.use), _answering(route.function))
    arguments = {"context": context, "route": route, "chain": chain}
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
    """The handler behind ``ss.http.route``. Its function answers through ``res`` alone, so its chain runs in one go."""

    def initialize(self, context: Context, route: Route, chain: Link) -> None:
        self._context = context
        self._route = route
        self._run = chain

    async def prepare(self) -> None:
        if self.request.method in self._route.methods:
            self._begin(self._context)
        else:
            self.set_status(405)
            self.set_header("Allow", ", ".join(self._route.methods))
            await self.finish()

    async def _serve(self, *args: str, **kwargs: str) -> None:
        await self._run(self.req, self.res)
        self.write_answer()
        await self._peer.check_cookie()

    get = head = post = put = patch = delete = _serve


def _answering(function: RouteFunction) -> Link:
    """The last link of a route's chain: what its function returns is its answer, if it has given none."""

    async def act(req: Request, res: Response) -> None:
        value = await function(cast(HTTPRequest, req), cast(HTTPResponse, res))
        if not res.answered or value is not None:  # a second answer is logged as one
            res(value)

    return act
