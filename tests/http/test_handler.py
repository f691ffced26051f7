"""rpc_sessions.RequestHandler: Tornado's handler inside a chain of middleware."""

from __future__ import annotations

import asyncio
import json

import pytest

from rpc_sessions import RequestHandler
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.session.steps import over_http, put, session_server
from tests.stores.doubles import WatchedStore
from tests.waiting import Gate, until

NOTE = {
    "middleware/m.py": """
        import asyncio

        def note(trail, name="?", pause=0.0):
            async def layer(req, res, next):
                trail.append(f"{name} in")
                await next()
                await asyncio.sleep(pause)
                trail.append(f"{name} out")
            return layer
    """
}


@pytest.mark.gen_test
async def test_layers_run_in_order_and_end_before_the_reply_leaves(make_server: MakeServer) -> None:
    trail: list[str] = []

    class Handler(RequestHandler):
        use = [("m.note", trail, "outer"), ("m.note", trail, {"name": "inner", "pause": 0.05})]

        async def prepare(self) -> None:
            await super().prepare()
            trail.append("prepared")

        async def get(self, name: str) -> None:
            trail.append(name)
            self.finish("done")
            await asyncio.sleep(0)
            trail.append("left")

        def head(self, name: str) -> None:
            trail.append("head")

    ss = make_server(NOTE)
    ss.http.mount(r"/(\w+)", Handler)
    async with serving(ss) as site:
        assert (await Browser(site).get("/handler")).body == b"done"
        assert trail == ["outer in", "inner in", "prepared", "handler", "left", "inner out", "outer out"]
        trail.clear()
        assert (await Browser(site).fetch("/handler", "HEAD")).code == 200
        assert trail == ["outer in", "inner in", "prepared", "head", "inner out", "outer out"]


@pytest.mark.gen_test
async def test_without_use_no_store_is_asked(make_server: MakeServer) -> None:
    class Handler(RequestHandler):
        def get(self) -> None:
            self.write({"ip": self.req.client_ip, "id": self.req.session_id, "q": self.req.params.get("q")})  # type: ignore[union-attr]  # a dict, over HTTP

    store = WatchedStore()
    ss = session_server(make_server, store)
    ss.http.mount("/", Handler)
    async with serving(ss) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        store.forget()
        response = await browser.get("/?q=1")
        assert json.loads(response.body) == {"ip": "127.0.0.1", "id": None, "q": "1"}
        assert (store.calls, set_cookies(response)) == ([], [])
        assert (await browser.fetch("/", "DELETE")).code == 405
        assert (await browser.fetch("/", "BREW")).code == 405


async def leave(site: Site, path: str, gate: Gate) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    await writer.drain()
    await gate.reached()
    writer.transport.abort()
    await asyncio.sleep(0.1)  # most often the server knows then
    gate.let_go()


@pytest.mark.gen_test
async def test_a_client_that_leaves_while_the_handler_runs_does_not_stop_it(
    make_server: MakeServer, logs: Logs
) -> None:
    class Slow(RequestHandler):
        use = ["session"]

        async def get(self) -> None:
            self.req.session["a"] = 1
            await gates["/slow"]()
            self.write("x" * 100_000)

    class Streams(Slow):
        async def get(self) -> None:
            self.req.session["a"] = 1
            for _ in range(5):
                await gates["/streams"]()
                self.write("x" * 1_000_000)
                await self.flush()

    gates = {"/slow": Gate(), "/streams": Gate()}
    store = WatchedStore()
    ss = session_server(make_server, store)
    ss.http.mount("/slow", Slow)
    ss.http.mount("/streams", Streams)
    async with serving(ss) as site:
        for path, gate in gates.items():
            await leave(site, path, gate)
        await until(lambda: store.writes == ["insert"] * 2)
        await until(lambda: not site.ss._ready().requests)  # or the server waits for a request that is over
        assert (await Browser(site).get("/slow")).code == 200
    logs.take("Stream is closed|Cannot send error")  # as Tornado says it of a handler that awaits flush()


@pytest.mark.gen_test
async def test_an_error_behind_finish_does_not_take_the_reply_back(make_server: MakeServer, logs: Logs) -> None:
    class Late(RequestHandler):
        use = ["session"]

        async def get(self) -> None:
            self.req.session["a"] = 1
            self.finish("done")
            await asyncio.sleep(0.02)  # the session is being stored
            raise KeyError("boom")

    store = WatchedStore()
    store.slow = {"insert": 0.1}
    ss = session_server(make_server, store)
    ss.http.mount("/", Late)
    async with serving(ss) as site:
        browser = Browser(site)
        response = await browser.get("/")
        assert (response.code, response.body) == (200, b"done")
        assert await over_http(browser, dict) == {"a": 1}
    logs.take("boom")


@pytest.mark.gen_test
async def test_a_handler_may_have_methods_and_attributes_of_its_own(make_server: MakeServer) -> None:
    class Tour(RequestHandler):
        use = ["session"]
        peer = "a guide"

        def begin(self) -> str:
            return f"with {self.peer}"

        async def get(self) -> None:
            self.write(self.begin())

    ss = make_server({})
    ss.http.mount("/tour", Tour)
    async with serving(ss) as site:
        assert (await Browser(site).get("/tour")).body == b"with a guide"
