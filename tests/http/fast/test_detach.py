"""Handlers that take the connection from HTTP, or end it."""

from __future__ import annotations

import pytest
import tornado.web
from tornado.iostream import IOStream

from tests.apps import MakeServer, serving
from tests.http.fast.handlers import Told, mounted
from tests.http.fast.raw import body_of, get, raw, settled
from tests.waiting import Gate, until

Handler = tornado.web.RequestHandler


async def echo(stream: IOStream) -> None:
    """Lines back, until "end"."""
    while (line := await stream.read_until(b"\n")) != b"end\n":
        await stream.write(line)
    stream.close()


@pytest.mark.parametrize("sent", [0, 12_000_000])
@pytest.mark.gen_test
async def test_detach_keeps_what_is_unsent_and_unread(make_server: MakeServer, sent: int) -> None:
    gate = Gate()

    async def method(self: Handler) -> None:
        await gate()
        self.set_header("Content-Length", str(sent))
        self.write(bytes(sent))
        self.flush()
        await echo(self.detach())

    async with serving(mounted(make_server({}), method)) as site, raw(site.port, buffer=32768) as client:
        client.pause()
        await client.send(get())
        await gate.reached()
        await client.send(b"early\n", b"more\n")
        await settled([])
        gate.let_go()
        await settled([])
        await client.send(b"late\n", b"end\n")
        client.resume()
        assert body_of(await client.rest()) == bytes(sent) + b"early\nmore\nlate\n"


@pytest.mark.gen_test
async def test_detach_from_who_has_gone_is_a_closed_stream(make_server: MakeServer) -> None:
    told = Told()
    streams: list[IOStream] = []

    async def method(self: Handler) -> None:
        await told.wait(self)
        streams.append(self.detach())

    ss = mounted(make_server({}), method, on_connection_close=told.closed)
    async with serving(ss) as site, raw(site.port, get()) as client:
        await told.gate.reached()
        client.drop()
        await until(lambda: "closed" in told.events)
        told.gate.let_go()
        await until(lambda: streams)
        assert streams[0].closed()


@pytest.mark.gen_test
async def test_a_handler_that_closes_the_connection_is_not_told(make_server: MakeServer) -> None:
    told = Told()

    def method(self: Handler) -> None:
        self._auto_finish = False
        self.write("a")
        self.flush()
        self.request.connection.close()  # type: ignore[union-attr]  # HTTP1Connection has it

    ss = mounted(make_server({}), method, on_connection_close=told.closed)
    async with serving(ss) as site, raw(site.port, get()) as client:
        assert body_of(await client.rest()) == b"1\r\na\r\n"
        await settled([])
    assert told.events == []
