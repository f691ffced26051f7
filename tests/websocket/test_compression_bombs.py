"""Messages of a hundred bytes that unpack to a thousand times as much: others get their turn between them."""

from __future__ import annotations

import asyncio

import pytest

from rpc_sessions import Server
from rpc_sessions.session.cookie import sign
from rpc_sessions.transport.deflate import inflate
from tests.apps import ECHO, SECRET, MakeServer, serving
from tests.frames import CLOSE, CONTINUATION, PING, PONG, RSV1, TEXT, frame, packed, raw_socket
from tests.waiting import until
from tests.websocket.test_conformance_limits import send
from tests.websocket.transports import ANY_TRANSPORT
from tests.wire import notification, request

pytestmark = ANY_TRANSPORT

OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}
COUNT = """
    def actions(req, res, ss):
        ss.api.counted = []
        async def count(number, text):
            ss.api.counted.append(number)
        return [count]
"""

WHO = """
    def actions(req, res, ss):
        req.use("session")
        async def who():
            return req.session.user_id
        return [who]
"""


@pytest.fixture
def counting(make_server: MakeServer) -> Server:
    return make_server({"rpc/app.py": COUNT}, compression=True)


def bomb(number: int, size: int = 65_000) -> bytes:
    """A call of ``count`` that unpacks to so many bytes, and a few more."""
    return frame(TEXT, packed(notification("app.count", [number, " " * size]).encode()), reserved=RSV1)


assert len(bomb(1)) < 150


@pytest.mark.parametrize(("size", "at_the_most"), [(65_000, 1), (33_000, 1), (3000, 10), (0, 110)])
@pytest.mark.gen_test
async def test_who_sends_bombs_without_a_pause_keeps_nobody_waiting(
    size: int, at_the_most: int, counting: Server
) -> None:
    steps, counted = [], 0  # how many were unpacked in each turn of the loop
    async with serving(counting) as site, raw_socket(site, OFFER) as raw:
        flood = b"".join(bomb(number, size) for number in range(2000))
        flooding = asyncio.ensure_future(asyncio.to_thread(send, raw, flood))
        async with asyncio.timeout(30):
            while counted < 2000:
                await asyncio.sleep(0)
                steps.append(len(counting.api.counted) - counted)
                counted += steps[-1]
        await flooding
    assert counting.api.counted == [*range(2000)]
    assert max(steps) <= at_the_most


@pytest.mark.gen_test
async def test_what_comes_between_bombs_is_answered_in_its_order(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO}, compression=True)

    def large(id: int) -> bytes:
        return packed(request("app.echo", [" " * 40_000 + str(id)], id).encode())

    async with serving(ss) as site, raw_socket(site, OFFER) as raw:
        parts = frame(TEXT, large(2)[:9], final=False, reserved=RSV1), frame(CONTINUATION, large(2)[9:])
        block = [
            frame(TEXT, large(0), reserved=RSV1),
            frame(TEXT, request("app.echo", [1], 1).encode()),
            parts[0],
            frame(PING, b"2"),
            parts[1],
            frame(TEXT, large(3), reserved=RSV1),
            frame(PING, b"3"),
            frame(TEXT, request("app.echo", [4], 4).encode()),
        ]
        raw.writer.write(b"".join(block) * 5)
        frames = [await raw.read() for _ in range(len(block) * 5 - 5)]
        texts = [reply.json for reply in frames if reply and reply.opcode == TEXT]
        assert [int(reply["result"]) for reply in texts] == [*range(5)] * 5
        assert [reply.data for reply in frames if reply and reply.opcode == PONG] == [b"2", b"3"] * 5


ENDS = {
    "goodbye": (frame(CLOSE, b"\x03\xe8"), 1000),
    "nonsense": (frame(TEXT, b"\xff", reserved=RSV1), 1007),
    "a bomb too large": (frame(TEXT, packed(b"x" * 60_000_000), reserved=RSV1), 1009),
    "no frame": (b"\xff\xff", 1002),
}


@pytest.mark.parametrize(("end", "code"), ENDS.values(), ids=ENDS)
@pytest.mark.gen_test
async def test_what_comes_behind_an_end_between_bombs_is_not_unpacked(end: bytes, code: int, counting: Server) -> None:
    async with serving(counting) as site, raw_socket(site, OFFER) as raw:
        raw.writer.write(b"".join(bomb(number) for number in range(10)) + end + bomb(10) * 10)
        last = await raw.read()
        assert last
        assert last.close_code == code
        assert await raw.read() is None
        assert counting.api.counted == [*range(10)]


@pytest.mark.gen_test
async def test_what_a_client_sent_before_it_went_still_counts(counting: Server) -> None:
    async with serving(counting) as site:
        async with raw_socket(site, OFFER) as raw:
            raw.writer.write(b"".join(bomb(number) for number in range(40)))
            await until(lambda: counting.api.counted)
        await until(lambda: counting.publish.all("anybody") == 0)
        assert counting.api.counted == [*range(40)]


@pytest.mark.gen_test
async def test_once_the_server_has_closed_nothing_is_unpacked(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = []

    def unpack(payload: bytes, limit: int) -> bytes:
        unpacked.append(payload)
        return inflate(payload, limit)

    monkeypatch.setattr("rpc_sessions.transport.deflate_socket.inflate", unpack)
    ss = make_server({"rpc/app.py": WHO}, compression=True)
    session = await ss.session.create({}, "ada")
    cookie = {"Cookie": f"connect.sid={sign(session.id, SECRET)}"}
    async with serving(ss) as site, raw_socket(site, OFFER | cookie) as raw:
        raw.send(TEXT, packed(request("app.who").encode()), reserved=RSV1)
        assert await raw.read()
        assert len(unpacked) == 1
        await session.destroy()
        closed = await raw.read()
        assert closed
        assert closed.close_code == 4401
        raw.writer.write(bomb(1) * 100 + frame(TEXT, b"\xff", reserved=RSV1))
        raw.close(4401)
        assert await raw.read() is None
    assert len(unpacked) == 1
