"""Connections come and go, and leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
from collections import Counter

import pytest
from tornado.httputil import HTTPHeaders
from tornado.iostream import IOStream

from rpc_sessions import Request, Response, Server, Session
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.cookie import sign
from rpc_sessions.transport.endpoint import RPCHandler
from rpc_sessions.transport.framed_socket import FramedSocket
from rpc_sessions.transport.websocket import Connection
from tests.apps import SECRET, MakeServer, Site, serving
from tests.frames import CLOSE, TEXT, frame, handshake
from tests.levels import Levels, settled
from tests.waiting import until
from tests.wire import connect, request

APP = """
    import asyncio

    def actions(req, res, ss):
        req.use("session")

        async def count():
            req.session["count"] = req.session.get("count", 0) + 1
            await req.session.save()
            return req.session["count"]

        async def wait():
            await asyncio.Event().wait()

        return count, wait
"""
ROUND = 100


async def come_and_go(ss: Server, site: Site) -> None:
    """Connect, half of them to a session they share; call, leave a call under way, and drop."""
    session = await ss.session.create({})
    headers = {"Cookie": f"connect.sid={sign(session.id, SECRET)}"}

    async def one(number: int) -> None:
        async with connect(site, headers=headers if number % 2 else None) as socket:
            assert await socket.result("app.count") >= 1
            await socket.begin("app.wait")
            if number % 3:
                socket.connection.transport.abort()

    for number in range(0, ROUND, 10):
        await asyncio.gather(*(one(number + i) for i in range(10)))
    await session.destroy()
    await until(lambda: not ss._connections and not list(ss.session.claims.all()))


def alive() -> list[int]:
    """How many there are of each kind of thing a connection is made of."""
    gc.collect()
    types = Counter(type(thing) for thing in gc.get_objects())
    kinds = (Connection, Request, Response, Claim, Session, RPCHandler, IOStream, HTTPHeaders)
    sockets = [kind for kind in types if issubclass(kind, FramedSocket | asyncio.Transport)]
    return [*(types[kind] for kind in kinds), sum(types[kind] for kind in sockets)]


@pytest.mark.gen_test
async def test_tasks_connections_and_claims_stay_level(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": APP})
    async with serving(ss) as site:
        counts: list[list[int]] = []
        for _ in range(3):
            await come_and_go(ss, site)
            counts.append(await settled(lambda: [len(asyncio.all_tasks()), *alive()]))
        assert counts[1] == counts[2]
        assert not list(ss.session.claims.all())


@pytest.mark.gen_test
async def test_a_connection_that_drops_in_its_handshake_leaves_nothing(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": APP})
    async with serving(ss) as site:
        for wait in (True, False):
            for _ in range(20):
                if wait:
                    _, _, writer = await handshake(site)
                else:
                    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
                    writer.write(HALF)
                writer.transport.abort()
            for _ in range(10):
                status, _, writer = await handshake(site, {"Sec-WebSocket-Version": "1"})
                assert status == 426
                writer.close()
        await until(lambda: not list(ss.session.claims.all()))
        await until(lambda: ss.publish.all("news") == 0)


HALF = (
    b"GET /rpc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


ENDS = [
    frame(CLOSE, b"\x03\xe8"),
    frame(TEXT, request("app.count").encode()) + frame(CLOSE),
    frame(TEXT, b"", mask=None),
    frame(TEXT, b"x" * 3000)[:2000],
    frame(TEXT, request("app.wait").encode()) * 3,
    b"",
]


async def ends(site: Site, number: int) -> None:
    """One connection that ends in one of many ways."""
    end = ENDS[number % len(ENDS)]
    _, reader, writer = await handshake(site, then=end if number % 2 else b"")
    if not number % 2:
        writer.write(end)
    await asyncio.sleep(0)
    if number % 5:
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 30)
    writer.transport.abort()


def left() -> list[object]:
    """What is still there of connections."""
    return [thing for thing in gc.get_objects() if issubclass(type(thing), Connection | FramedSocket)]


@pytest.mark.gen_test
async def test_a_connection_that_is_gone_needs_no_garbage_collection(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": APP})
    gc.collect()
    gc.disable()
    try:
        async with serving(ss) as site:
            for number in range(3 * len(ENDS)):
                await ends(site, number)
            await until(lambda: not ss._connections)
            await until(lambda: left() == [])
    finally:
        gc.enable()


@pytest.mark.gen_test
async def test_a_thousand_connections_leave_nothing(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": APP})
    async with serving(ss) as site:
        levels = Levels(
            lambda: [len(asyncio.all_tasks()), len(os.listdir("/dev/fd")), ss.publish.all("news"), *alive()]
        )
        for _ in range(4):
            for number in range(0, 250, 10):
                await asyncio.gather(*(ends(site, number + i) for i in range(10)))
            await until(lambda: not ss._connections)
            await levels.take()
        levels.check(200 * 500)  # bytes a connection; every sixth leaves a session in the store
