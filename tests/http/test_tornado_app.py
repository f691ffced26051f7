"""A library, not a framework: ``handlers()`` in somebody's Tornado application, Tornado handlers in ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import tornado.web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.routing import PathMatches, Rule, RuleRouter

from rpc_sessions import ConfigError, RequestHandler, Server
from rpc_sessions.transport.application import context_of
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.wire import connect

SESSION = {
    "rpc/app.py": """
        def actions(req, res, ss):
            req.use("session")

            async def look():
                return dict(req.session)

            return [look]
    """
}


class Home(tornado.web.RequestHandler):
    def get(self) -> None:
        self.write("home")


class Count(RequestHandler):
    use = ["session"]

    async def get(self, *path: str) -> None:
        self.req.session["n"] = self.req.session.get("n", 0) + 1  # type: ignore[operator]  # an int
        self.write({"n": self.req.session["n"], "path": path, "user": self.req.session.user_id})


class Plain(RequestHandler):
    def get(self) -> None:
        self.write(self.req.client_ip)


@asynccontextmanager
async def listening(ss: Server, app: tornado.web.Application | RuleRouter) -> AsyncIterator[Site]:
    """Serve an application that the server did not make."""
    (socket,) = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(app)
    server.add_socket(socket)
    try:
        yield Site(ss, socket.getsockname()[1])
    finally:
        server.stop()
        await ss.stop(drain=0)
        await server.close_all_connections()


@pytest.mark.parametrize("files", [SESSION, {}], ids=["with actions", "handlers only"])
@pytest.mark.gen_test
async def test_in_an_application_of_ones_own(make_server: MakeServer, files: dict[str, str]) -> None:
    ss = make_server(files)
    rules: list[Any] = [*ss.handlers(), (r"/", Home), (r"/count/(\d+)", Count), (r"/plain", Plain)]
    async with listening(ss, tornado.web.Application(rules)) as site:
        browser = Browser(site)
        assert (await browser.get("/")).body == b"home"
        assert (await browser.get("/plain")).body == b"127.0.0.1"
        for n in (1, 2, 3):
            response = await browser.get("/count/7")
            assert json.loads(response.body) == {"n": n, "path": ["7"], "user": None}
        assert (await browser.get("/count/x")).code == 404
        assert (await browser.get("/healthz")).code == 200
        if files:
            assert await browser.rpc("app.look") == {"n": 3}
            async with browser.socket() as socket:
                assert await socket.result("app.look") == {"n": 3}


@pytest.mark.gen_test
async def test_behind_a_router_and_a_host(make_server: MakeServer) -> None:
    ss = make_server(SESSION)
    app = tornado.web.Application()
    app.add_handlers(r"127\.0\.0\.1", [*ss.handlers(), (r"/count", Count)])
    router = RuleRouter([Rule(PathMatches(r"/.*"), app)])
    async with listening(ss, router) as site:
        browser = Browser(site)
        for n in (1, 2):
            assert json.loads((await browser.get("/count")).body)["n"] == n
        assert await browser.rpc("app.look") == {"n": 2}


@pytest.mark.gen_test
async def test_without_handlers_the_error_says_what_to_do(make_server: MakeServer, logs: Logs) -> None:
    app = tornado.web.Application([(r"/count", Count)])
    ss = make_server({})
    async with listening(ss, app) as site:
        assert (await Browser(site).get("/count")).code == 500
    logs.take(r"ss.handlers\(\)|500 GET")
    with pytest.raises(ConfigError, match="handlers"):
        context_of(app)


@pytest.mark.gen_test
async def test_mount_takes_any_tornado_handler(make_server: MakeServer, tmp_path: Path) -> None:
    class WithArgument(tornado.web.RequestHandler):
        def initialize(self, arg: int) -> None:
            self.arg = arg

        def get(self, rest: str) -> None:
            self.write(f"{self.arg} {rest}")

    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("a file")
    ss = make_server(SESSION)
    ss.http.mount(r"/legacy/(.*)", WithArgument, {"arg": 1})
    ss.http.mount(r"/count/(\w+)/(\w+)", Count)
    ss.http.mount(r"/files/(.*)", tornado.web.StaticFileHandler, {"path": tmp_path / "files"})
    ss.http.mount(r"/redirect", tornado.web.RedirectHandler, {"url": "/legacy/x"})
    async with serving(ss) as site:
        browser = Browser(site)
        assert (await browser.get("/legacy/a/b")).body == b"1 a/b"
        assert json.loads((await browser.get("/count/a/b")).body) == {"n": 1, "path": ["a", "b"], "user": None}
        assert await browser.rpc("app.look") == {"n": 1}
        assert (await browser.get("/files/a.txt")).body == b"a file"
        assert (await browser.get("/files/../app/rpc/app.py")).code in (403, 404)
        assert (await browser.get("/redirect")).code == 301


@pytest.mark.gen_test
async def test_static_files_and_their_index(make_server: MakeServer) -> None:
    files = {"static/index.html": "<h1>index</h1>", "static/sub/a.css": "a{}"}
    ss = make_server({**files, "rpc/secret.py": SESSION["rpc/app.py"]})

    @ss.http.route("/sub/route")
    async def route(req: Any, res: Any) -> str:
        return "route"

    async with serving(ss) as site:
        browser = Browser(site)
        response = await browser.get("/")
        assert (response.body, response.headers["Content-Type"]) == (b"<h1>index</h1>", "text/html")
        assert (await browser.get("/sub/a.css")).body == b"a{}"
        assert (await browser.get("/sub/route")).body == b"route"
        for path in ("/../rpc/secret.py", "/%2e%2e/rpc/secret.py", "/..%2frpc/secret.py", "/nothing"):
            assert (await browser.get(path)).code in (403, 404), path
        async with connect(site) as socket:
            assert await socket.result("secret.look") == {}


@pytest.mark.gen_test
async def test_a_handler_may_override_prepare(make_server: MakeServer) -> None:
    class Prepared(Count):
        async def prepare(self) -> None:
            await super().prepare()
            if self._finished or self._finishing:
                return
            if self.req.session.get("n", 0) == 2:
                self.redirect("/elsewhere")

    ss = make_server({})
    ss.http.mount("/prepared", Prepared)
    async with serving(ss) as site:
        browser = Browser(site)
        codes = [(await browser.get("/prepared")).code for _ in range(3)]
        assert codes == [200, 200, 302]
