"""Bodies taken in pieces: a client that leaves before its last piece ends the request, and nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import tornado.web

from rpc_sessions import RequestHandler, Server
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.steps import over_http, session_server
from tests.stores.doubles import WatchedStore
from tests.waiting import Gate, until

SOON = 15.0  # seconds, on a busy machine
events: list[str] = []


async def layer(req: Any, res: Any, next: Any) -> None:
    """Says how it was left."""
    try:
        await next()
    except BaseException as error:
        events.append(type(error).__name__)
        raise
    events.append("left")


async def complain(req: Any, res: Any, next: Any) -> None:
    try:
        await next()
    except asyncio.CancelledError:
        raise KeyError("complaint") from None


@tornado.web.stream_request_body
class Upload(RequestHandler):
    use = ["session", layer]

    async def prepare(self) -> None:
        await super().prepare()
        self.size = 0
        events.append("prepared")

    async def data_received(self, chunk: bytes) -> None:
        self.req.session["begun"] = True
        self.size += len(chunk)
        events.append("data")

    async def post(self) -> None:
        self.write(str(self.size))


class Tidy(Upload):
    def on_connection_close(self) -> None:
        super().on_connection_close()
        events.append("closed")


class Careless(Upload):
    def on_connection_close(self) -> None:
        events.append("closed")


class Broken(Upload):
    def on_connection_close(self) -> None:
        events.append("closed")
        raise KeyError("in on_connection_close")


class Bare(Upload):
    use = []

    async def data_received(self, chunk: bytes) -> None:
        events.append("data")


class Complaining(Upload):
    use = ["session", complain]


class Refusing(Upload):
    """Answers before the body has come, with more than a client that does not read can be sent."""

    async def prepare(self) -> None:
        await super().prepare()
        events.append("data")
        self.finish(b"x" * 50_000_000)


class RefusingInPart(Upload):
    """Answers in the middle of the body."""

    async def data_received(self, chunk: bytes) -> None:
        self.req.session["refused"] = True
        events.append("data")
        self.finish("too much")


class RefusingBare(Refusing):
    use = []


HANDLERS = (Upload, Tidy, Careless, Broken, Bare, Complaining, Refusing, RefusingBare, RefusingInPart)


def uploads(make_server: MakeServer, store: WatchedStore | None = None) -> Server:
    events.clear()
    ss = session_server(make_server, store)
    for handler in HANDLERS:
        ss.http.mount(f"/{handler.__name__}", handler)
    return ss


@asynccontextmanager
async def begun(
    port: int, path: str, framing: str = "Content-Length: 100"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A POST whose first piece has come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}\r\n\r\n3\r\nabc\r\n".encode())
    await writer.drain()
    await until(lambda: "data" in events, SOON)
    yield reader, writer
    writer.transport.abort()


async def stops_soon(ss: Server) -> None:
    """With a long drain: what is not under way is not waited for."""
    async with asyncio.timeout(SOON):
        await ss.stop(drain=600)


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.gen_test
async def test_an_upload_that_is_broken_off_is_over(make_server: MakeServer, logs: Logs, handler: type[Upload]) -> None:
    before = asyncio.all_tasks()
    ss = uploads(make_server)
    async with begun(await ss.start(port=0), handler.__name__) as (reader, _):
        if issubclass(handler, Refusing):
            await reader.read(1)  # the answer is on its way
    await stops_soon(ss)
    await until(lambda: asyncio.all_tasks() <= before, SOON)
    if handler in (Upload, Tidy, Careless, Broken):
        assert "CancelledError" in events, "its layers were not left"
    assert ("closed" in events) == (handler in (Tidy, Careless, Broken))
    if handler in (Broken, Complaining):
        assert len(logs.take("in on_connection_close|complaint")) == 1


@pytest.mark.gen_test
async def test_a_body_that_is_no_body_ends_the_request_too(make_server: MakeServer) -> None:
    ss = uploads(make_server)
    async with begun(await ss.start(port=0), "Careless", "Transfer-Encoding: chunked") as (_, writer):
        writer.write(b"this is no length\r\n")
        await until(lambda: "closed" in events, SOON)
        await stops_soon(ss)
    assert "CancelledError" in events


@pytest.mark.gen_test
async def test_what_a_broken_upload_wrote_to_the_session_is_not_stored(make_server: MakeServer) -> None:
    store = WatchedStore()
    async with serving(uploads(make_server, store)) as site:
        async with begun(site.port, "Upload"):
            pass
        await until(lambda: "CancelledError" in events, SOON)
        assert store.writes == []


@pytest.mark.gen_test
async def test_an_answer_in_mid_upload_stores_the_session_though_the_client_leaves(make_server: MakeServer) -> None:
    store, gate = WatchedStore(), Gate()
    store.before["insert"] = gate
    ss = uploads(make_server, store)
    async with begun(await ss.start(port=0), "RefusingInPart"):
        await gate.reached()
    stopping = asyncio.ensure_future(stops_soon(ss))
    await asyncio.wait((stopping,), timeout=0.3)
    assert not stopping.done(), "the server did not wait for the session"
    gate.let_go()
    await stopping
    assert store.writes == ["insert"]


@pytest.mark.parametrize("handler", [Upload, Tidy, Careless, Broken])
@pytest.mark.gen_test
async def test_an_upload_that_is_complete_is_answered(make_server: MakeServer, handler: type[Upload]) -> None:
    ss = uploads(make_server)
    async with serving(ss) as site:
        browser = Browser(site)
        for _ in range(2):
            response = await browser.fetch(f"/{handler.__name__}", "POST", b"x" * 300_000)
            assert (response.code, response.body) == (200, b"300000")
        assert await over_http(browser, dict) == {"begun": True}
    assert events.count("left") == 2
    assert "closed" not in events


@pytest.mark.parametrize("handler", [Refusing, RefusingBare])
@pytest.mark.parametrize("transport", ["auto", "tornado"])
@pytest.mark.gen_test
async def test_a_long_answer_to_a_request_without_a_body_is_waited_for(
    make_server: MakeServer, transport: str, handler: type[Upload]
) -> None:
    ss = uploads(make_server)
    ss.options.transport = transport
    reader, writer = await asyncio.open_connection("127.0.0.1", await ss.start(port=0))
    writer.write(f"GET /{handler.__name__} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    stopping = asyncio.ensure_future(stops_soon(ss))
    await asyncio.wait((stopping,), timeout=0.3)
    assert not stopping.done()
    assert await reader.readexactly(50_000_000) == b"x" * 50_000_000
    writer.close()
    await stopping


class Detached(RequestHandler):
    use = ["session", layer]

    async def get(self) -> None:
        self.req.session["detached"] = self.req.session.get("detached", 0) + 1  # type: ignore[operator]  # an int
        stream = self.detach()
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await until(lambda: "left" in events, SOON)  # not only when the connection ends
        stream.close()


class DetachedBare(RequestHandler):
    async def get(self) -> None:
        await self.detach().write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class DetachedFirst(RequestHandler):
    """Takes the connection before its chain has begun."""

    async def prepare(self) -> None:
        await self.detach().write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class DetachedAndBroken(RequestHandler):
    use = ["session", layer]

    async def get(self) -> None:
        self.req.session["bad"] = object()  # type: ignore[assignment]  # the mistake
        await self.detach().write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.mark.parametrize("transport", ["auto", "tornado"])
@pytest.mark.gen_test
async def test_a_handler_that_takes_the_connection_is_done_with_http(
    make_server: MakeServer, logs: Logs, transport: str
) -> None:
    events.clear()
    ss = session_server(make_server)
    ss.options.transport = transport
    for handler in (Detached, DetachedBare, DetachedFirst, DetachedAndBroken):
        ss.http.mount(f"/{handler.__name__}", handler)
    browser = Browser(Site(ss, await ss.start(port=0)))
    await over_http(browser, lambda session: session.update(detached=1))
    for path in ("Detached", "DetachedBare", "DetachedFirst", "DetachedAndBroken"):
        assert (await browser.get(f"/{path}")).body == b"ok", path
    assert await over_http(browser, dict) == {"detached": 2}
    await stops_soon(ss)
    assert len(logs.take("Uncaught exception GET /DetachedAndBroken")) == 1
