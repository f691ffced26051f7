"""One request after the other on a connection: whole, in pieces, at once, with a reader that does not read."""

from __future__ import annotations

import asyncio
import json

import pytest
import tornado.web
from tornado.websocket import WebSocketHandler
from websockets.asyncio.client import connect as connect_websocket

from tests.apps import ECHO, MakeServer, serving
from tests.http.fast.handlers import Plain, handler, mounted
from tests.http.fast.raw import body_of, get, post, raw, settled
from tests.logs import Logs
from tests.waiting import Gate, until
from tests.wire import connect, request

CALL = request("app.echo", [1]).encode()
CALL = b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(CALL),
    CALL,
)


@pytest.mark.gen_test
async def test_one_after_the_other_on_one_connection(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO})
    ss.http.mount("/x", Plain)
    async with serving(ss) as site, raw(site.port) as client:
        first = None
        for _ in range(3):
            await client.send(get())
            first = first or await client.reply()
        assert await client.replies(2) == [first, first]
        for _ in range(2):
            await client.send(CALL)
            assert json.loads(body_of(await client.reply()))["result"] == 1
            await client.send(get())
            assert await client.reply() == first
        await client.send(*(get()[at : at + 1] for at in range(len(get()))))
        assert await client.reply() == first
        await client.send(get("/x", "Connection: close"))
        assert b"Connection: close" in await client.rest()


@pytest.mark.gen_test
async def test_what_comes_early_is_answered_in_its_order(make_server: MakeServer) -> None:
    gate = Gate()

    async def held(self: tornado.web.RequestHandler) -> None:
        await gate()
        self.finish("held")

    ss = make_server({"rpc/app.py": ECHO})
    ss.http.mount("/held", handler(held))
    ss.http.mount("/x", Plain)
    async with serving(ss) as site, raw(site.port, get("/held")) as client:
        await gate.reached()
        await client.send(get("/x?1"), get("/x?2"), CALL, get("/x?3"))
        await settled([client])
        assert not client.received
        gate.let_go()
        bodies = [body_of(reply) for reply in await client.replies(5)]
        assert bodies[0] == b"held"
        assert json.loads(bodies[3])["result"] == 1
        assert [json.loads(bodies[at])[1] for at in (1, 2, 4)] == ["/x?1", "/x?2", "/x?3"]


@pytest.mark.gen_test
async def test_one_early_request_is_answered(make_server: MakeServer) -> None:
    gate = Gate()

    async def held(self: tornado.web.RequestHandler) -> None:
        await gate()
        self.finish(self.request.query)

    async with serving(mounted(make_server({}), held)) as site, raw(site.port, get("/x?1")) as client:
        await gate.reached()
        await client.send(get("/x?2"))
        await settled([client])
        gate.let_go()
        assert [body_of(reply) for reply in await client.replies(2)] == [b"1", b"2"]


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.gen_test
async def test_a_flood_of_requests_waits_for_who_does_not_read(make_server: MakeServer, held: bool) -> None:
    gate = Gate()
    begun: list[int] = []

    async def much(self: tornado.web.RequestHandler) -> None:
        begun.append(1)
        if held:
            await gate()
        self.finish(bytes(20_000))

    count = 1000
    async with serving(mounted(make_server({}), much)) as site, raw(site.port, buffer=32768) as client:
        client.pause()
        await client.send(get())
        flood = asyncio.ensure_future(client.send(get("/x", "A: " + "b" * 500) * (count - 1)))
        if held:
            await gate.reached()
            await settled([])
            assert len(begun) == 1
            gate.let_go()
        await until(lambda: len(begun) > 1)
        await settled([])
        assert len(begun) < count / 2, "what is sent waits for the reader"
        client.resume()
        await client.replies(count)
        await flood


@pytest.mark.gen_test
async def test_one_by_one_they_wait_for_the_reader_too(make_server: MakeServer) -> None:
    begun: list[int] = []

    def much(self: tornado.web.RequestHandler) -> None:
        begun.append(1)
        self.finish(bytes(3_000_000))

    async with serving(mounted(make_server({}), much)) as site, raw(site.port, buffer=32768) as client:
        client.pause()
        for _ in range(12):
            await client.send(get())
            await asyncio.sleep(0.02)
        assert len(begun) < 6
        client.resume()
        await client.replies(12)


@pytest.mark.gen_test
async def test_what_comes_early_is_bounded(make_server: MakeServer) -> None:
    gate = Gate()

    async def held(self: tornado.web.RequestHandler) -> None:
        await gate()
        self.finish("held")

    async with serving(mounted(make_server({}), held)) as site, raw(site.port, get()) as client:
        await gate.reached()
        flood = asyncio.ensure_future(client.send(get("/nothing") * 500_000))
        await settled([])
        assert not flood.done(), "20 MB: the server does not take them"
        gate.let_go()
        assert body_of(await client.reply()) == b"held"
        assert all(reply.startswith(b"HTTP/1.1 404") for reply in await client.replies(1000))
        flood.cancel()


@pytest.mark.gen_test
async def test_a_websocket_of_tornados(make_server: MakeServer) -> None:
    class Echo(WebSocketHandler):
        async def on_message(self, message: str | bytes) -> None:
            await self.write_message(message)

    ss = make_server({"rpc/app.py": ECHO})
    ss.http.mount("/echo", Echo)
    async with serving(ss) as site, connect_websocket(f"ws://127.0.0.1:{site.port}/echo") as socket:
        await socket.send("text")
        assert await socket.recv() == "text"
        async with raw(site.port, get("/echo"), get("/nothing")) as client:
            statuses = [reply.split()[1] for reply in await client.replies(2)]
            assert statuses == [b"400", b"404"]
        async with connect(site) as ours:
            assert await ours.result("app.echo", 1) == 1


@pytest.mark.gen_test
async def test_an_initialize_that_raises_ends_the_connection(make_server: MakeServer, logs: Logs) -> None:
    class NoArgument(Plain):
        def initialize(self, needed: int) -> None: ...

        def on_connection_close(self) -> None:
            raise AssertionError("nobody is there to be told")

    ss = make_server({})
    ss.http.mount("/bad", NoArgument)
    ss.http.mount("/x", Plain)
    async with serving(ss) as site:
        async with raw(site.port, get("/bad")) as client:
            assert await client.rest() == b""
        async with raw(site.port, get()) as client:
            assert await client.reply()
    (record,) = logs.take("Uncaught exception")
    assert record.name == "tornado.application"


@pytest.mark.gen_test
async def test_who_asks_for_more_than_a_reply_of_the_connection(make_server: MakeServer) -> None:
    seen: list[object] = []

    def prepare(self: tornado.web.RequestHandler) -> None:
        connection = self.request.connection
        assert connection is not None
        connection.set_max_body_size(10)  # type: ignore[attr-defined]  # HTTP1Connection has it
        connection.set_body_timeout(10)  # type: ignore[attr-defined]  # as above

    def method(self: tornado.web.RequestHandler) -> None:
        stream = self.request.connection.stream  # type: ignore[union-attr]  # as above
        stream.set_nodelay(True)
        seen.append((stream.closed(), stream.socket.getpeername()[0], str(self.request.connection.context)))  # type: ignore[union-attr]  # as above
        self.finish()

    ss = mounted(make_server({}), method, streamed=True, prepare=prepare, data_received=lambda self, chunk: None)
    async with serving(ss) as site, raw(site.port, get(), post("/x", b"a")) as client:
        assert [reply.split()[1] for reply in await client.replies(2)] == [b"200", b"405"]
    assert seen == [(False, "127.0.0.1", "127.0.0.1")]
