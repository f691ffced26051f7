"""An Express application and a server of ours on one store, and a browser that visits both.

    async with pair() as ada:
        await ada.express("req.session.cart = {apple: 1}")
        assert await ada.http(dict) == {"cart": {"apple": 1}}
        async with ada.socket() as socket:
            assert await ada.call(socket, dict) == {"cart": {"apple": 1}}

What Express is given is JavaScript, run with the request (see application.mjs); what we are given is a step
(see tests/session/steps.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from websockets import ConnectionClosed

from tests.apps import SECRET, Site
from tests.http.browser import Browser
from tests.processes import Process, find_free_port
from tests.requirements import needs, needs_npm
from tests.session.steps import Step, over_http, over_socket
from tests.wire import Socket

READ = """
    const names = Object.keys(req.session).filter((name) => !/^(cookie|__lastAccess|rpc[.].*)$/.test(name));
    return Object.fromEntries(names.map((name) => [name, req.session[name]]));
"""  # the values of the session at Express, without those of the store and of the library
APPLICATION = Path(__file__).parent / "application.mjs"
PACKAGES = {"mongodb": "connect-mongo", "redis": "connect-redis", "file": "session-file-store"}
# What the page on Express tells its readers to set.
SETTINGS = {"secret": [SECRET], "resave": False, "saveUninitialized": False}


class Shared(NamedTuple):
    """A store that both sides use: its kind, the options of our store and of Express's."""

    kind: str
    ours: dict[str, str]
    express: dict[str, str]


class Express(Process):
    """The application of application.mjs. settings: of express-session."""

    def __init__(self, shared: Shared, settings: Mapping[str, object]) -> None:
        folder = needs_npm(PACKAGES[shared.kind])
        port = find_free_port()
        env = {
            "PORT": str(port),
            "STORE": shared.kind,
            "STORE_OPTIONS": json.dumps(shared.express),
            "SESSION_OPTIONS": json.dumps({**SETTINGS, **settings}),
        }
        super().__init__([needs("node"), APPLICATION], port, env=env, cwd=folder)
        self._expected = 0

    def take_errors(self) -> str:
        """What it wrote since the last time: an error that the test expects."""
        begin, self._expected = self._expected, len(self.output)
        return self.output[begin:]


class ExpressFailed(Exception):
    """A request that Express answered with an error: its status and the page."""


class Visitor(Browser):
    """A browser with one cookie, at both sites."""

    def __init__(self, site: Site, express: Express, cookie: str = "") -> None:
        super().__init__(site, cookie)
        self.application = express

    def again(self) -> Visitor:
        """Somebody who has the cookie of now, and keeps it."""
        return Visitor(self.site, self.application, self.cookie)

    async def express(self, script: str) -> Any:
        """Run JavaScript in a request to Express: what it returns. ExpressFailed for an error."""
        assert self.application.port
        there = Browser(Site(self.site.ss, self.application.port), self.cookie)
        response = await there.fetch("/", "POST", script, headers={"Content-Type": "text/plain"})
        self.cookie = there.cookie
        if response.code != 200:
            raise ExpressFailed(response.code, response.body.decode())
        return json.loads(response.body).get("value")

    async def http(self, step: Step) -> Any:
        """Run a step in an HTTP route of ours."""
        return await over_http(self, step)

    async def call(self, socket: Socket, step: Step) -> Any:
        """Run a step in a call over a WebSocket."""
        return await over_socket(socket, self.site.ss, step)


async def assert_ended(*sockets: Socket) -> None:
    """The sockets of a session that is no more: a call is refused if it comes before they are closed with 4401."""
    for socket in sockets:
        with suppress(ConnectionClosed):
            assert (await socket.call("s.do", "0"))["error"]["code"] == -32001
        assert (await socket.closed())[0] == 4401


class Pair(Protocol):
    """``pair({"rolling": True}, max_age=60)``: settings of express-session, and options of our sessions."""

    def __call__(
        self, settings: Mapping[str, object] = ..., /, **options: object
    ) -> AbstractAsyncContextManager[Visitor]: ...
