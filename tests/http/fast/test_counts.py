"""Connections that come and go leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import suppress

import pytest
import tornado.web
from tornado.iostream import IOStream, StreamClosedError

from rpc_sessions import Server
from rpc_sessions.transport.fast_http import Visit
from rpc_sessions.transport.fast_reply import FastReply
from tests.apps import MakeServer, Site, serving
from tests.http.fast.handlers import Plain, handler
from tests.http.fast.raw import get, post, raw
from tests.levels import Levels
from tests.waiting import until

ROUND = 500


def server(make_server: MakeServer) -> Server:
    async def stream(self: tornado.web.RequestHandler) -> None:
        self.write("a")
        with suppress(StreamClosedError):
            await self.flush()
        await asyncio.sleep(0.001)

    ss = make_server({})
    ss.http.mount("/x", Plain)
    ss.http.mount("/stream", handler(stream))
    ss.http.mount("/body", handler(stream, streamed=True))
    return ss


ENDS = [get(), get("/stream"), get("/body"), post("/x", b"a"), get("/x", "Connection: close"), get() * 2, get()[:9]]


async def come_and_go(site: Site, number: int) -> None:
    """One connection, with one request, of many kinds; every third does not wait for the reply."""
    data = ENDS[number % len(ENDS)]
    async with raw(site.port, data) as client:
        if number % 3 and data.endswith((b"\r\n", b"a")):
            await client.reply()


def left() -> list[type]:
    """What is still there of connections."""
    kinds = Visit | FastReply | IOStream | tornado.web.RequestHandler
    return [type(thing) for thing in gc.get_objects() if issubclass(type(thing), kinds)]


@pytest.mark.gen_test
async def test_two_thousand_connections_leave_nothing(make_server: MakeServer) -> None:
    async with serving(server(make_server)) as site:
        levels = Levels(lambda: [len(asyncio.all_tasks()), len(os.listdir("/dev/fd"))])
        for _ in range(4):
            for start in range(0, ROUND, 25):
                await asyncio.gather(*(come_and_go(site, start + number) for number in range(25)))
            gc.collect()
            await until(lambda: not left())
            await levels.take()
        levels.check(200 * ROUND)  # bytes a connection


@pytest.mark.gen_test
async def test_what_is_over_needs_no_garbage_collection(make_server: MakeServer, way: str) -> None:
    if way == "tornado":
        return  # that is Tornado's own business
    async with serving(server(make_server)) as site:
        gc.collect()
        gc.disable()
        try:
            async with raw(site.port) as client:
                for _ in range(10):
                    await client.send(get())
                    await client.reply()
                assert left() == [Visit]
            for number in range(20):
                await come_and_go(site, number // 3 % 3)
            await until(lambda: not left())
        finally:
            gc.enable()
