"""Clients that read nothing, or flood: closed or refused, and nobody else is concerned."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from rpc_sessions import Server
from tests.apps import MakeServer, Site, serving
from tests.frames import CLOSE, TEXT, raw_socket
from tests.logs import Logs
from tests.wire import connect, notification, post, request

BIG = """
    import asyncio

    def actions(req, res, ss):
        async def echo(value):
            return value
        async def text(size):
            return "x" * size
        async def wait():
            await asyncio.Event().wait()
        return echo, text, wait
"""


@pytest.mark.gen_test
async def test_a_client_that_stops_reading_is_closed_and_costs_no_more_memory(
    make_server: MakeServer, logs: Logs
) -> None:
    ss = make_server({"rpc/app.py": BIG}, send_queue=256 * 1024)
    async with serving(ss) as site, raw_socket(site) as raw, connect(site, max_queue=None) as reader:
        tracemalloc.start()
        gc.collect()
        before, sent = tracemalloc.get_traced_memory()[0], 0
        while ss.publish.all("news", "x" * 10_000) == 2:
            sent += 1
            assert sent < 5000, "it is never closed"
            await asyncio.sleep(0)
        for _ in range(100):
            assert ss.publish.all("news", "x" * 10_000) == 1
            await asyncio.sleep(0)
        grown = tracemalloc.get_traced_memory()[0] - before - 10_000 * sent  # the other client's own queue
        tracemalloc.stop()
        assert grown < 3 * 1024 * 1024
        logs.take("closed a slow consumer")
        assert await reader.event() == ("news", ["x" * 10_000])  # who reads is not concerned
        while (last := await raw.read()) and last.opcode != CLOSE:
            pass
        assert last
        assert last.close_code == 4008


@asynccontextmanager
async def serving_with_small_buffers(ss: Server) -> AsyncIterator[Site]:
    """The system keeps little for a client that does not read, and always the same."""
    (listening,) = bind_sockets(0, "127.0.0.1")
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    server = HTTPServer(Application(ss.handlers()))
    server.add_sockets([listening])
    yield Site(ss, listening.getsockname()[1])
    server.stop()
    await ss.stop(drain=0)


@pytest.mark.gen_test
async def test_a_client_that_reads_late_but_reads_stays(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({"rpc/app.py": BIG}, send_queue=256 * 1024)
    async with serving_with_small_buffers(ss) as site:
        async with raw_socket(site):
            fits = 0
            while ss.publish.all("news", "x" * 10_000):
                fits += 1
                await asyncio.sleep(0)
        logs.take("closed a slow consumer")
        async with raw_socket(site) as raw:
            for _ in range(5):  # each time most of the queue fills, and empties again
                for _ in range(fits - 10):
                    assert ss.publish.all("news", "x" * 10_000) == 1
                    await asyncio.sleep(0)
                for _ in range(fits - 10):
                    assert await raw.read()


@pytest.mark.gen_test
async def test_replies_fill_the_queue_as_well(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({"rpc/app.py": BIG}, send_queue=64 * 1024)
    async with serving(ss) as site, raw_socket(site) as raw:
        for _ in range(1000):
            raw.send(TEXT, request("app.text", [30_000]).encode())
            await asyncio.sleep(0)
            if "slow consumer" in str(logs):
                break
        logs.take("closed a slow consumer")
        while (last := await raw.read()) and last.opcode != CLOSE:
            pass
        assert last
        assert last.close_code == 4008


@pytest.mark.gen_test
async def test_calls_of_one_read_do_not_pile_their_replies_up(make_server: MakeServer, logs: Logs) -> None:
    """A few kilobytes ask for 30 MB: the connection is closed before they are all made."""
    ss = make_server({"rpc/app.py": BIG}, send_queue=128 * 1024)
    async with serving(ss) as site, raw_socket(site) as raw:
        started = ss._ready().dispatcher.started
        for _ in range(240):
            raw.send(TEXT, b'{"jsonrpc":"2.0","method":"app.text","params":[120000],"id":1}')
        while (last := await raw.read()) and last.opcode != CLOSE:
            pass
        assert last
        assert last.close_code == 4008
        assert ss._ready().dispatcher.started - started < 120
        logs.take("closed a slow consumer")


@pytest.mark.gen_test
async def test_a_reader_gets_all_of_a_burst_as_large_as_the_queue(make_server: MakeServer) -> None:
    """Many replies of one moment are no slow consumer, as long as the system takes them."""
    ss = make_server({"rpc/app.py": BIG}, send_queue=1024 * 1024)
    async with serving(ss) as site, connect(site, max_size=None, max_queue=None) as client:
        for _ in range(20):
            for _ in range(30):
                await client.begin("app.text", 30_000)
            for _ in range(30):
                assert len((await client.reply())["result"]) == 30_000


@pytest.mark.gen_test
async def test_a_reply_that_no_queue_can_hold_is_an_error(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({"rpc/app.py": BIG}, send_queue=100_000)
    async with serving(ss) as site, connect(site) as client:
        assert len(await client.result("app.text", 99_000)) == 99_000
        reply = await client.call("app.text", 100_000)
        assert reply["error"]["code"] == -32003
        assert await client.result("app.echo", 1) == 1
        response = await post(site, request("app.text", [100_000]))
        assert len(json.loads(response.body)["result"]) == 100_000  # over HTTP the client takes what it asked for
    with pytest.raises(ValueError, match="100000"):
        ss.publish.all("news", "x" * 100_000)
    logs.take("app.text: the reply of 100036 bytes is over send_queue")


@pytest.mark.gen_test
async def test_a_flood_of_calls_is_answered_and_others_are_served(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": BIG})) as site, connect(site) as flood, connect(site) as other:
        for _ in range(32):
            await flood.send(notification("app.wait"))
        text = request("app.echo", [1])
        flooding = asyncio.ensure_future(asyncio.wait_for(send_many(flood.connection, text, 3000), 30))
        for i in range(20):
            assert await other.result("app.echo", i) == i
        codes = {(await flood.reply())["error"]["code"] for _ in range(3000)}
        await flooding
    assert codes == {-32000}


async def send_many(connection: object, text: str, count: int) -> None:
    for _ in range(count):
        await connection.send(text)  # type: ignore[attr-defined]  # a ClientConnection
