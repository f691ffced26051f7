"""RFC 6455, section 5: which frames are messages, and which break the protocol. The same on every transport."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from rpc_sessions import Server
from tests.apps import ECHO, MakeServer, serving
from tests.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, TEXT, Frame, RawSocket, frame, raw_socket
from tests.websocket.transports import EVERY_FRAMING
from tests.wire import notification, request

pytestmark = EVERY_FRAMING

CALL = '{"jsonrpc":"2.0","method":"app.echo","params":["né🚀"],"id":1}'.encode()
NOTE = notification("app.echo", [1]).encode()
MASK = b"\x37\xfa\x21\x3d"


@pytest.fixture
def ss(make_server: MakeServer) -> Server:
    return make_server({"rpc/app.py": ECHO})


def in_parts(opcode: int, data: bytes, *ends: int) -> bytes:
    """A message in fragments that end where it is said."""
    cuts = [0, *ends, len(data)]
    return b"".join(
        frame(opcode if start == 0 and i == 0 else CONTINUATION, data[start:end], final=i == len(ends), mask=MASK)
        for i, (start, end) in enumerate(pairwise(cuts))
    )


async def replies(raw: RawSocket, count: int) -> list[Frame | None]:
    return [await raw.read() for _ in range(count)]


MESSAGES = {
    "masked with zeros": frame(TEXT, CALL),
    "masked": frame(TEXT, CALL, mask=MASK),
    "masked with ones": frame(TEXT, CALL, mask=b"\xff\xff\xff\xff"),
    "binary": frame(BINARY, CALL, mask=MASK),
    "in two parts": in_parts(TEXT, CALL, 20),
    "in many parts": in_parts(TEXT, CALL, *range(1, len(CALL))),
    "binary in parts": in_parts(BINARY, CALL, 20, 30),
    "with empty parts": in_parts(TEXT, CALL, 0, 0, 20, 20, 20, len(CALL)),
    "cut within a character": in_parts(TEXT, CALL, CALL.index("🚀".encode()) + 2),
    "after an empty pong": frame(PONG) + frame(TEXT, CALL),
    "after a pong that nobody asked for": frame(PONG, b"x" * 125) + frame(TEXT, CALL),
}


@pytest.mark.gen_test
async def test_what_is_a_message_is_answered(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        for name, data in MESSAGES.items():
            raw.writer.write(data)
            reply = await raw.read()
            assert reply, name
            assert reply.json["result"] == "né🚀", name


@pytest.mark.gen_test
async def test_a_message_may_come_byte_by_byte(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        for byte in in_parts(TEXT, CALL, 50):
            raw.writer.write(bytes([byte]))
            await asyncio.sleep(0.0005)
        reply = await raw.read()
        assert reply
        assert reply.json["result"] == "né🚀"


@pytest.mark.gen_test
async def test_sizes(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO}, message_limit=300_000)) as site, raw_socket(site) as raw:
        for size in (0, 1, 125, 126, 127, 1000, 1791, 1792, 3583, 65535, 65536, 200_000):
            text = request("app.echo", ["x" * size]).encode()
            for data in (frame(TEXT, text, mask=MASK), in_parts(TEXT, text, len(text) // 3)):
                raw.writer.write(data + frame(PING, b"behind it"))
                answers = await replies(raw, 2)
                assert Frame(PONG, b"behind it") in answers
                (reply,) = (answer for answer in answers if answer and answer.opcode == TEXT)
                assert len(reply.json["result"]) == size


@pytest.mark.gen_test
async def test_many_messages_of_one_read_are_answered_in_order(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        raw.writer.write(b"".join(frame(TEXT, request("app.echo", [i], i).encode(), mask=MASK) for i in range(30)))
        answers = [answer.json for answer in await replies(raw, 30) if answer]
        assert [answer["result"] for answer in answers] == [*range(30)]


@pytest.mark.gen_test
async def test_a_ping_is_answered_with_what_it_holds(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        pings = [b"", b"x", b"\xff\x00binary", b"x" * 125]
        for data in pings:
            raw.writer.write(frame(PING, data, mask=MASK))
            assert await raw.read() == Frame(PONG, data)
        raw.writer.write(b"".join(frame(PING, data, mask=MASK) for data in pings))
        assert await replies(raw, 4) == [Frame(PONG, data) for data in pings]


@pytest.mark.gen_test
async def test_control_frames_come_between_the_parts_of_a_message(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        raw.send(TEXT, CALL[:10], final=False)
        for data in (b"one", b"two"):
            raw.send(PING, data)
            assert await raw.read() == Frame(PONG, data)
            raw.send(PONG, b"unasked")
            raw.send(CONTINUATION, b"", final=False)
        raw.send(CONTINUATION, CALL[10:])
        reply = await raw.read()
        assert reply
        assert reply.json["result"] == "né🚀"
        raw.send(TEXT, CALL[:10], final=False)
        raw.close(1000)
        assert await replies(raw, 2) == [Frame(CLOSE, b"\x03\xe8"), None]


BROKEN = {
    "no mask": (1002, frame(TEXT, CALL, mask=None)),
    "a ping without mask": (1002, frame(PING, b"x", mask=None)),
    "a continuation without mask": (1002, frame(TEXT, CALL[:9], final=False) + frame(0, CALL[9:], mask=None)),
    **{f"reserved bits {bits:03b}": (1002, frame(TEXT, CALL, reserved=bits)) for bits in range(1, 8) if bits != RSV1},
    "a reserved bit in a ping": (1002, frame(PING, b"", reserved=1)),
    "a reserved bit in a continuation": (1002, frame(TEXT, b"x", final=False) + frame(0, b"x", reserved=4)),
    **{f"opcode {opcode}": (1002, frame(opcode, b"x")) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "a continuation of nothing": (1002, frame(CONTINUATION, b"x")),
    "a continuation of what is over": (1002, in_parts(BINARY, NOTE, 9) + frame(CONTINUATION, b"x")),
    "the beginning of a continuation of nothing": (1002, frame(CONTINUATION, b"x", final=False)),
    "a text within a text": (1002, frame(TEXT, b"x", final=False) + frame(TEXT, b"x")),
    "a binary within a text": (1002, frame(TEXT, b"x", final=False) + frame(BINARY, b"x", final=False)),
    "a ping in parts": (1002, frame(PING, b"x", final=False)),
    "a close in parts": (1002, frame(CLOSE, b"\x03\xe8", final=False)),
    "a ping of 126 bytes": (1002, frame(PING, b"x" * 126)),
    "a pong of 70,000 bytes": (1002, frame(PONG, b"x" * 70_000)),
    "a close of 126 bytes": (1002, frame(CLOSE, b"\x03\xe8" + b"x" * 124)),
    "a short length in 2 bytes": (1002, frame(TEXT, CALL[:90], wide=2)),
    "a short length in 8 bytes": (1002, frame(TEXT, b"x" * 1000, wide=8)),
    "a negative length": (1002, frame(TEXT, b"x", length=2**64 - 1, wide=8)),
    "no frames at all": (1002, b"GET / HTTP/1.1\r\n\r\n"),
    "text that is no UTF-8": (1007, frame(TEXT, b"\xff\xfe")),
    "an overlong character": (1007, frame(TEXT, b'"\xc0\xaf"')),
    "half of a surrogate": (1007, frame(TEXT, b'"\xed\xa0\x80"')),
    "a character past the last": (1007, frame(TEXT, b'"\xf4\x90\x80\x80"')),
    "text that ends within a character": (1007, frame(TEXT, "né🚀".encode()[:-1])),
    "parts that are no UTF-8": (1007, in_parts(TEXT, b'"\xce\xba\xff"', 2)),
}


@pytest.mark.gen_test
async def test_what_breaks_the_protocol_closes_with_its_code(ss: Server) -> None:
    said = {1002: b"\x03\xeaprotocol error", 1007: b"\x03\xefnot UTF-8"}
    async with serving(ss) as site, raw_socket(site) as other:
        for name, (code, data) in BROKEN.items():
            async with raw_socket(site) as raw:
                raw.writer.write(data + frame(TEXT, CALL) + frame(PING))  # what comes behind it is not answered
                assert (name, *await replies(raw, 2)) == (name, Frame(CLOSE, said[code]), None)
        other.writer.write(frame(TEXT, CALL))
        assert await other.read()


@pytest.mark.gen_test
async def test_what_was_answered_before_the_break_still_arrives(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        raw.writer.write(
            frame(TEXT, request("app.unknown").encode()) + frame(PING, b"x") + frame(TEXT, b"", reserved=1)
        )
        answers = await replies(raw, 4)
        assert answers[3] is None
        assert answers[2]
        assert answers[2].close_code == 1002
        assert Frame(PONG, b"x") in answers
        (reply,) = (answer for answer in answers if answer and answer.opcode == TEXT)
        assert reply.json["error"]["code"] == -32601


@pytest.mark.gen_test
async def test_binary_that_is_no_utf8_is_a_message_that_is_no_json(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        raw.send(BINARY, b"\xff\xfe")
        reply = await raw.read()
        assert reply
        assert reply.json["error"]["code"] == -32700
