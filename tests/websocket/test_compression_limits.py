"""What a client may make the server unpack, and what a connection with compression costs."""

from __future__ import annotations

import asyncio
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import AsyncExitStack

import pytest

from rpc_sessions import Server
from rpc_sessions.transport.deflate import deflate
from tests.apps import ECHO, MakeServer, serving
from tests.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, TEXT, Frame, Packed, frame, packed, raw_socket
from tests.logs import Logs
from tests.websocket.test_conformance_limits import Memory
from tests.websocket.test_send_queue import serving_with_small_buffers
from tests.websocket.transports import ANY_TRANSPORT
from tests.wire import notification, request

pytestmark = ANY_TRANSPORT

OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}
LIMIT = 64 * 1024
TOO_BIG = Frame(CLOSE, b"\x03\xf1message too big")
BOMB = packed(b"x" * 60_000_000)  # within the limit as it is sent
assert len(BOMB) < LIMIT


@pytest.fixture
def _tracing() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.fixture
def ss(make_server: MakeServer) -> Server:
    return make_server({"rpc/app.py": ECHO}, compression=True)


def call(size: int) -> bytes:
    """A notification of so many bytes."""
    return notification("app.echo", ["x" * (size - len(notification("app.echo", [""])))]).encode()


TOO_LARGE = {
    "a byte too much": frame(TEXT, packed(call(LIMIT + 1)), reserved=RSV1),
    "a bomb": frame(TEXT, BOMB, reserved=RSV1),
    "a bomb that is binary": frame(BINARY, BOMB, reserved=RSV1),
    "a bomb in parts": frame(TEXT, BOMB[:9], final=False, reserved=RSV1) + frame(CONTINUATION, BOMB[9:]),
    "bombs behind last blocks": frame(TEXT, packed(b"x" * 10_000, zlib.Z_FINISH) * 7, reserved=RSV1),
    "a frame that is too large as it is": frame(TEXT, b"x" * (LIMIT + 1), reserved=RSV1),
    "a header that says so": frame(TEXT, b"", reserved=RSV1, length=2**40),
    "endless parts": frame(TEXT, b"x", final=False, reserved=RSV1) + frame(CONTINUATION, b"x" * 999, final=False) * 70,
    "not compressed": frame(TEXT, call(LIMIT + 1)),
    "not compressed, in parts": frame(TEXT, b"x" * LIMIT, final=False) + frame(CONTINUATION, b"x"),
}


@pytest.mark.usefixtures("_tracing")
@pytest.mark.gen_test
async def test_what_is_too_large_closes_with_1009_before_it_is_unpacked(ss: Server) -> None:
    async with serving(ss) as site:
        for name, data in TOO_LARGE.items():
            async with raw_socket(site, OFFER) as raw:
                memory = Memory()
                raw.writer.write(data)
                assert (name, await raw.read(), await raw.read()) == (name, TOO_BIG, None)
                assert memory.peak < 1024 * 1024, name


@pytest.mark.gen_test
async def test_what_is_just_small_enough_is_not_too_large(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site, OFFER) as raw:
        raw.send(TEXT, packed(call(LIMIT)), reserved=RSV1)
        raw.send(TEXT, call(LIMIT))
        raw.send(PING, b"still here")
        assert await raw.read() == Frame(PONG, b"still here")


@pytest.mark.usefixtures("_tracing")
@pytest.mark.gen_test
async def test_parts_that_unpack_to_nothing_are_bounded(ss: Server) -> None:
    nothing = b"\0\0\0\xff\xff" * 100  # a block with nothing in it takes 5 bytes
    async with serving(ss) as site, raw_socket(site, OFFER) as raw:
        memory = Memory()
        raw.send(TEXT, b"", final=False, reserved=RSV1)
        for _ in range(1000):
            raw.send(CONTINUATION, nothing, final=False)
        assert await raw.read() == TOO_BIG
        assert memory.peak < 2 * 1024 * 1024


@pytest.mark.gen_test
async def test_an_event_is_packed_once_for_all_whose_window_is_the_same(
    ss: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    packings = []

    def pack(text: bytes, window_bits: int) -> bytes:
        packings.append(window_bits)
        return deflate(text, window_bits)

    monkeypatch.setattr("rpc_sessions.transport.deflate_socket.deflate", pack)
    small = {"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=9"}
    async with serving(ss) as site, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(raw_socket(site, offer)) for offer in [OFFER, small] * 5]
        for _ in range(2):
            for letter in "xyz":
                assert ss.publish.all("news", letter * 5000) == 10
            for raw in sockets:
                for letter in "xyz":
                    event = await raw.read()
                    assert isinstance(event, Packed)
                    assert event.json["params"] == [letter * 5000]
            assert sorted(packings) == [9] * 3 + [15] * 3
            packings.clear()


@pytest.mark.usefixtures("_tracing")
@pytest.mark.gen_test
async def test_of_an_event_nothing_is_kept(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site, OFFER) as raw:
        ss.publish.all("news", "x" * 5000)  # what happens once, happens here
        assert await raw.read()
        memory = Memory()
        ss.publish.all("news", "x" * 900_000)
        assert await raw.read()
        await asyncio.sleep(0)
        assert memory.grown < 100_000


@pytest.mark.gen_test
async def test_a_client_that_stops_reading_is_closed(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({"rpc/app.py": ECHO}, compression=True, send_queue=32 * 1024)
    text = "".join(f"{number:x}" for number in range(5000))
    async with serving_with_small_buffers(ss) as site, raw_socket(site, OFFER, buffer=4096) as raw:
        sent = 0
        while ss.publish.all("news", text):
            sent += 1
            assert sent < 5000, "it is never closed"
            await asyncio.sleep(0)
        logs.take("closed a slow consumer: 32768 bytes unread")
        raw.close(4008)


@pytest.mark.usefixtures("_tracing")
@pytest.mark.gen_test
async def test_an_idle_connection_keeps_no_window(ss: Server) -> None:
    text = request("app.echo", [" ".join(map(str, range(10_000)))]).encode()
    assert len(text) > 40_000
    async with serving(ss) as site, raw_socket(site, OFFER) as first:
        first.send(TEXT, packed(text), reserved=RSV1)
        assert await first.read()
        memory = Memory()
        clients = [raw_socket(site, OFFER) for _ in range(30)]
        sockets = [await client.__aenter__() for client in clients]
        for raw in sockets:
            raw.send(TEXT, packed(text), reserved=RSV1)
            reply = await raw.read()
            assert isinstance(reply, Packed)
            del reply
        grown = memory.grown / len(sockets)
        for client in clients:
            await client.__aexit__(None, None, None)
        assert grown < 30_000  # both ends; a window for unpacking has 32 KiB, one for packing 256
