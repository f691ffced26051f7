"""What is no text frame: binary ones, broken ones, and handshakes that are none."""

from __future__ import annotations

import asyncio

import pytest

from tests.apps import ECHO, MakeServer, serving
from tests.frames import CLOSE, PING, TEXT, frame, handshake, raw_socket
from tests.wire import connect, request


@pytest.mark.gen_test
async def test_a_binary_frame_with_json_is_a_message(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site, connect(site) as socket:
        await socket.send(request("app.echo", ["né"]).encode())
        assert (await socket.reply())["result"] == "né"


BAD_FRAMES = {
    "text that is no UTF-8": frame(TEXT, b"\xff\xfe"),
    "a reserved bit": frame(TEXT, b"{}", reserved=4),
    "an unknown opcode": frame(3, b"{}"),
    "a continuation of nothing": frame(0, b"{}"),
    "a message within a message": frame(TEXT, b"{", final=False) + frame(TEXT, b"}"),
    "a ping in parts": frame(PING, b"", final=False),
    "a ping of 126 bytes": frame(PING, b"x" * 126),
    "a huge length": b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + bytes(8),
    "no frames at all": b"GET / HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD_FRAMES.values(), ids=BAD_FRAMES)
@pytest.mark.gen_test
async def test_what_breaks_the_protocol_ends_the_connection(data: bytes, make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO})
    async with serving(ss) as site, connect(site) as other:
        async with raw_socket(site) as raw:
            raw.writer.write(data)
            last = await raw.read()
            assert last is None or last.opcode == CLOSE
            assert last is None or await raw.read() is None
        assert await other.result("app.echo", "alive") == "alive"


@pytest.mark.gen_test
async def test_a_client_may_vanish_in_the_middle_of_anything(make_server: MakeServer) -> None:
    whole = frame(TEXT, request("app.echo", [1]).encode())
    async with serving(make_server({"rpc/app.py": ECHO})) as site:
        for end in range(0, len(whole), 7):
            async with raw_socket(site) as raw:
                raw.writer.write(whole[:end])
                await asyncio.sleep(0.002)
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(b"GET /rpc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n")
            writer.transport.abort()
        async with connect(site) as socket:
            assert await socket.result("app.echo", 1) == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-WebSocket-Version": "12"}, 426),
        ({"Upgrade": "h2c"}, 400),
        ({"Connection": "keep-alive"}, 400),
        ({"Sec-WebSocket-Key": ""}, 400),
    ],
)
@pytest.mark.gen_test
async def test_a_handshake_that_is_none(headers: dict[str, str], status: int, make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO})
    async with serving(ss) as site:
        answer, _, writer = await handshake(site, headers)
        assert answer == status
        writer.close()
