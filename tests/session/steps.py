"""Steps: a test's own code, run on the session of a real call, over whichever transport.

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(lambda session: session.update(a=1))

What a step returns is returned, and what it raises is raised, as it is; what goes wrong behind it is an RPCError.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from rpc_sessions import HTTPRequest, RPCError, Server, Session, Store
from rpc_sessions import HTTPResponse as Reply
from tests.apps import MakeServer, Site
from tests.http.browser import Browser
from tests.wire import Socket

Step = Callable[[Session], Any]
Do = Callable[[Step], Awaitable[Any]]
Way = Callable[[Site], AbstractAsyncContextManager[Do]]

_MODULE = """
    def actions(req, res, ss):
        req.use("session"{options})

        async def do(step):
            await ss.api.steps[step](req.session)

        return [do]
"""
FILES = {
    "rpc/s.py": _MODULE.format(options=""),
    "rpc/auto.py": _MODULE.format(options=", autosave=True"),
    "rpc/readonly.py": _MODULE.format(options=", readonly=True"),
}
_numbers = count()


def session_server(make_server: MakeServer, store: Store | None = None, **options: Any) -> Server:
    """A server that runs steps. options: of the sessions."""
    ss = make_server(FILES)
    ss.api.steps = {}
    for name, value in options.items():
        setattr(ss.session.options, name, value)
    if store is not None:
        ss.session.store.use(store)

    @ss.http.route("/do")
    async def do(req: HTTPRequest, res: Reply) -> str:
        await ss.api.steps[req.params["step"]](req.session)  # type: ignore[call-overload]  # a dict, over HTTP
        return "done"

    @ss.http.route("/readonly", use=[("session", {"readonly": True})])
    async def readonly(req: HTTPRequest, res: Reply) -> str:
        await ss.api.steps[req.params["step"]](req.session)  # type: ignore[call-overload]  # a dict, over HTTP
        return "done"

    return ss


def look(session: Session) -> tuple[str | None, dict[str, Any]]:
    """A step: who is logged in, and the values."""
    return session.user_id, dict(session)


def put(**values: Any) -> Step:
    """A step that sets values and saves."""

    async def step(session: Session) -> None:
        session.update(**values)
        await session.save()

    return step


class Registered:
    """A step under a name that a call can give."""

    def __init__(self, ss: Server, step: Step) -> None:
        self.name = str(next(_numbers))
        self._step = step
        self._outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        ss.api.steps[self.name] = self._run

    async def _run(self, session: Session) -> None:
        try:
            result = self._step(session)
            self._outcome.set_result(await result if inspect.isawaitable(result) else result)
        except Exception as error:
            self._outcome.set_exception(error)
            raise

    def result(self, failure: RPCError | None) -> Any:
        """What the step came to, if it ran; the failure, if the call failed behind it or before."""
        if self._outcome.done() and (self._outcome.exception() or failure is None):
            return self._outcome.result()
        assert failure is not None, "the step did not run"
        raise failure


async def over_socket(socket: Socket, ss: Server, step: Step, module: str = "s") -> Any:
    """Run a step in a call over a WebSocket."""
    registered = Registered(ss, step)
    try:
        await socket.result(f"{module}.do", registered.name)
    except RPCError as error:
        return registered.result(error)
    return registered.result(None)


async def over_http(browser: Browser, step: Step, path: str = "/do") -> Any:
    """Run a step in an HTTP route."""
    registered = Registered(browser.site.ss, step)
    return registered.result(failure_of(await browser.get(f"{path}?step={registered.name}")))


async def over_post(browser: Browser, step: Step, module: str = "s") -> Any:
    """Run a step in a call over HTTP POST."""
    registered = Registered(browser.site.ss, step)
    try:
        await browser.rpc(f"{module}.do", registered.name)
    except RPCError as error:
        return registered.result(error)
    return registered.result(None)


def failure_of(response: HTTPResponse) -> RPCError | None:
    """The error of a response, if it is one."""
    if response.code < 400:
        return None
    if response.headers.get("Content-Type", "").startswith("application/json"):
        error = json.loads(response.body)["error"]
        return RPCError(error["code"], error["message"])
    return RPCError(-response.code, response.reason)


@asynccontextmanager
async def websocket(site: Site) -> AsyncIterator[Do]:
    """All steps over one WebSocket; nothing is saved unless a step does."""
    async with Browser(site).socket() as socket:
        yield lambda step: over_socket(socket, site.ss, step)


@asynccontextmanager
async def http(site: Site) -> AsyncIterator[Do]:
    """Each step in an HTTP request of one browser; saved by itself."""
    browser = Browser(site)
    yield lambda step: over_http(browser, step)


@asynccontextmanager
async def post(site: Site) -> AsyncIterator[Do]:
    """Each step in a call over HTTP POST, of one browser; saved by itself."""
    browser = Browser(site)
    yield lambda step: over_post(browser, step)


WAYS: list[Way] = [websocket, http, post]
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
