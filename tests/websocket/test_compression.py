"""permessage-deflate on connections: with a client that speaks it, and frames made by hand."""

from __future__ import annotations

import asyncio
import random
import zlib
from itertools import pairwise

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from rpc_sessions import Server
from rpc_sessions.session.cookie import sign
from tests.apps import ECHO, SECRET, MakeServer, Site, serving
from tests.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    RSV1,
    TEXT,
    Frame,
    Packed,
    RawSocket,
    frame,
    packed,
    raw_socket,
)
from tests.websocket.transports import ANY_TRANSPORT, EVERY_TRANSPORT
from tests.wire import connect, request

OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate"}
CALL = request("app.echo", ["né🚀 " * 100]).encode()
NOISE = random.Random(1).randbytes(20_000)
TALKATIVE = """
    def actions(req, res, ss):
        req.use("session")
        async def echo(value):
            return value
        async def log_in(name: str):
            await req.session.set_user_id(name)
        async def who():
            return req.session.user_id
        return echo, log_in, who
"""


@pytest.fixture
def ss(make_server: MakeServer) -> Server:
    return make_server({"rpc/app.py": TALKATIVE}, compression=True, message_limit=256 * 1024)


async def closing(raw: RawSocket) -> tuple[int, str]:
    """The code and the reason that the server closes with; nothing comes before or behind."""
    last = await raw.read()
    assert last
    assert await raw.read() is None
    return last.close_code, last.data[2:].decode()


# -- clients that speak it -------------------------------------------------------------------------


CLIENTS = {
    "as it comes": {},
    "small windows": {"server_max_window_bits": 9, "client_max_window_bits": 9},
    "no windows kept": {"server_no_context_takeover": True, "client_no_context_takeover": True},
    "a window that may be chosen": {"client_max_window_bits": True},
    "everything": {"server_no_context_takeover": True, "server_max_window_bits": 12, "client_max_window_bits": 10},
}


@EVERY_TRANSPORT
@pytest.mark.parametrize("parameters", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.gen_test
async def test_calls_of_every_size(parameters: dict[str, int], ss: Server) -> None:
    extensions = [ClientPerMessageDeflateFactory(**parameters)]  # type: ignore[arg-type]  # bits, or True
    async with serving(ss) as site, connect(site, extensions=extensions) as socket:
        (agreed,) = socket.connection.protocol.extensions
        assert agreed.name == "permessage-deflate"
        for size in (0, 1, 125, 126, 900, 1100, 5000, 65_535, 65_536, 100_000):
            for value in ("x" * size, "né🚀" * (size // 9), NOISE[: size // 2].hex()):
                assert await socket.result("app.echo", value) == value
        await (await socket.connection.ping(b"still here"))
        await socket.connection.close(4000, "bye")
        assert socket.connection.close_code == 4000


@EVERY_TRANSPORT
@pytest.mark.gen_test
async def test_messages_in_parts(ss: Server) -> None:
    text = request("app.echo", ["Hello " * 1000])
    async with serving(ss) as site, connect(site, extensions=[ClientPerMessageDeflateFactory()]) as socket:
        await socket.connection.send(text[start : start + 100] for start in range(0, len(text), 100))
        assert (await socket.receive())["result"] == "Hello " * 1000


@EVERY_TRANSPORT
@pytest.mark.gen_test
async def test_many_at_once_and_events_between_them(ss: Server) -> None:
    async with serving(ss) as site, connect(site, extensions=[ClientPerMessageDeflateFactory()]) as socket:
        for i in range(30):
            await socket.send(request("app.echo", ["x" * (i * 100)], i))
        assert [(await socket.receive())["id"] for _ in range(30)] == [*range(30)]
        for size in (10, 5000, 10, 200_000):
            assert ss.publish.all("news", "x" * size) == 1
        assert [len((await socket.event())[1][0]) for _ in range(4)] == [10, 5000, 10, 200_000]


@EVERY_TRANSPORT
@pytest.mark.gen_test
async def test_sessions_and_their_cookie(ss: Server) -> None:
    session = await ss.session.create({}, "ada")
    compressed = [ClientPerMessageDeflateFactory()]
    async with serving(ss) as site:
        async with connect(site, extensions=compressed) as stranger:
            assert stranger.connection.response
            assert "connect.sid=" in stranger.connection.response.headers["Set-Cookie"]
            assert stranger.connection.response.headers["Sec-WebSocket-Extensions"]
            await stranger.begin("app.log_in", "grace")
            name, params = await stranger.event()
            assert (name, [*dict(params)]) == ("rpc.session", ["ticket"])
            assert (await stranger.reply())["result"] is None
            assert await stranger.result("app.who") == "grace"
        cookie = {"Cookie": f"connect.sid={sign(session.id, SECRET)}"}
        async with connect(site, headers=cookie, extensions=compressed) as ada:
            assert await ada.result("app.who") == "ada"
            await session.destroy()
            assert (await ada.closed())[0] == 4401


# -- what is sent ----------------------------------------------------------------------------------


@ANY_TRANSPORT
@pytest.mark.gen_test
async def test_only_what_is_worth_it_is_compressed(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site, OFFER) as raw:
        for value, kind in ("x" * 900, Frame), ("x" * 1100, Packed), (NOISE.hex(), Packed), ("x" * 90_000, Packed):
            raw.send(TEXT, request("app.echo", [value]).encode())
            reply = await raw.read()
            assert reply
            assert (type(reply), reply.json["result"]) == (kind, value)
            assert kind is Frame or len(reply.data) < len(value) * 0.7
        for _ in range(2):  # the second one unpacks alone, too
            raw.send(TEXT, CALL)
            again = await raw.read()
            assert again
            assert again.json["result"] == "né🚀 " * 100
        ss.publish.all("news", "y" * 2000)
        event = await raw.read()
        assert event
        assert (type(event), event.json["params"]) == (Packed, ["y" * 2000])


@ANY_TRANSPORT
@pytest.mark.gen_test
async def test_what_compression_makes_larger_is_sent_as_it_is(ss: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # JSON always has something to save, so zlib is told to save nothing.
    monkeypatch.setattr("rpc_sessions.transport.deflate._LEVEL", zlib.Z_NO_COMPRESSION)
    async with serving(ss) as site, raw_socket(site, OFFER) as raw:
        raw.send(TEXT, request("app.echo", ["x" * 5000]).encode())
        reply = await raw.read()
        assert reply
        assert (type(reply), reply.json["result"]) == (Frame, "x" * 5000)


@ANY_TRANSPORT
@pytest.mark.gen_test
async def test_the_size_of_a_message_says_nothing_of_another(ss: Server) -> None:
    secret = NOISE[:1000].hex()
    async with serving(ss) as site, raw_socket(site, OFFER) as raw:
        answers = []
        for value in (secret[:1500], secret, secret[:1500]):  # a guess, the secret, and the guess again
            raw.send(TEXT, request("app.echo", [value]).encode())
            answers.append(await raw.read())
        assert isinstance(answers[0], Packed)
        assert answers[0] == answers[2]


# -- what comes in, frame by frame -----------------------------------------------------------------


def parts(payload: bytes, *ends: int, opcode: int = TEXT) -> bytes:
    """A compressed message in fragments that end where it is said."""
    cuts = [0, *ends, len(payload)]
    pieces = [payload[start:end] for start, end in pairwise(cuts)]
    first = frame(opcode, pieces[0], final=len(pieces) == 1, reserved=RSV1, mask=b"abcd")
    return first + b"".join(
        frame(CONTINUATION, piece, final=i == len(pieces) - 1, mask=b"abcd") for i, piece in enumerate(pieces) if i
    )


PACKED = packed(CALL)
MESSAGES = {
    "one frame": parts(PACKED),
    "binary": parts(PACKED, opcode=BINARY),
    "two parts": parts(PACKED, 20),
    "a part for each byte": parts(PACKED, *range(1, len(PACKED))),
    "empty parts": parts(PACKED, 0, 0, 20, 20, len(PACKED)),
    "flushed with a last block": parts(packed(CALL, zlib.Z_FINISH) + b"\0"),
    "flushed with a last block alone": parts(packed(CALL, zlib.Z_FINISH)),
    "flushed in its middle": parts(packed(CALL[:40], zlib.Z_FINISH) + packed(CALL[40:]), 11),
    "not compressed": frame(TEXT, CALL),
    "not compressed, in parts": frame(TEXT, CALL[:30], final=False) + frame(CONTINUATION, CALL[30:]),
}


@EVERY_TRANSPORT
@pytest.mark.gen_test
async def test_messages_are_answered(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site, OFFER) as raw:
        for name, data in MESSAGES.items():
            raw.writer.write(data)
            reply = await raw.read()
            assert reply, name
            assert reply.json["result"] == "né🚀 " * 100, name


@ANY_TRANSPORT
@pytest.mark.gen_test
async def test_what_comes_byte_by_byte_with_pings_in_between(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site, OFFER, then=parts(PACKED)) as raw:
        assert await raw.read()  # it was in the same breath as the handshake
        for byte in parts(PACKED, 30, 60):
            raw.writer.write(bytes([byte]))
            await asyncio.sleep(0.0005)
        assert await raw.read()
        raw.writer.write(parts(PACKED, 30)[:-1])
        raw.writer.write(parts(PACKED, 30)[-1:] + frame(PING, b"x"))
        assert {(await raw.read() or Frame(CLOSE, b"")).opcode for _ in range(2)} == {TEXT, PONG}
        raw.send(TEXT, PACKED[:30], final=False, reserved=RSV1)
        raw.send(PING, b"between")
        assert await raw.read() == Frame(PONG, b"between")
        raw.send(CONTINUATION, PACKED[30:])
        reply = await raw.read()
        assert reply
        assert reply.json["result"] == "né🚀 " * 100


@ANY_TRANSPORT
@pytest.mark.gen_test
async def test_an_empty_message_is_no_call(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site, OFFER) as raw:
        answers = []
        for data in (frame(TEXT, b"\0", reserved=RSV1), frame(TEXT, b"")):
            raw.writer.write(data)
            reply = await raw.read()
            assert reply
            answers.append(reply.json)
        assert answers[0] == answers[1]
        assert answers[0]["error"]["code"] == -32700


FIRST = frame(TEXT, PACKED[:9], final=False, reserved=RSV1)
BROKEN = {
    "RSV1 on a ping": (1002, frame(PING, b"", reserved=RSV1)),
    "RSV1 on a pong": (1002, frame(PONG, b"x", reserved=RSV1)),
    "RSV1 on a close": (1002, frame(CLOSE, b"\x03\xe8", reserved=RSV1)),
    "RSV1 on a continuation": (1002, FIRST + frame(CONTINUATION, PACKED[9:], reserved=RSV1)),
    "RSV1 on a continuation only": (1002, frame(TEXT, b"x", final=False) + frame(CONTINUATION, PACKED, reserved=RSV1)),
    "RSV1 on a continuation of nothing": (1002, frame(CONTINUATION, PACKED, reserved=RSV1)),
    "RSV1 on an unknown opcode": (1002, frame(3, PACKED, reserved=RSV1)),
    **{f"reserved bits {bits:03b}": (1002, frame(TEXT, PACKED, reserved=bits)) for bits in (1, 2, 3, 5, 6, 7)},
    "a compressed message within one": (1002, FIRST + frame(TEXT, PACKED, reserved=RSV1)),
    "no mask": (1002, frame(TEXT, PACKED, reserved=RSV1, mask=None)),
    "text that says it is compressed": (1007, frame(TEXT, CALL, reserved=RSV1)),
    "nothing that says it is compressed": (1007, frame(TEXT, b"", reserved=RSV1)),
    "noise": (1007, frame(BINARY, NOISE, reserved=RSV1)),
    "half of a message": (1007, frame(TEXT, PACKED[: len(PACKED) // 2], reserved=RSV1)),
    "a message of which most is missing": (1007, frame(TEXT, bytes.fromhex("002000dfff") + b"[", reserved=RSV1)),
    "half of a message, in parts": (1007, FIRST + frame(CONTINUATION, PACKED[9:30])),
    "bytes behind a message": (1007, frame(TEXT, packed(CALL, zlib.Z_FINISH) + NOISE[:50], reserved=RSV1)),
    "no UTF-8": (1007, frame(TEXT, packed(b'"\xff"'), reserved=RSV1)),
}
REASONS = {1002: {"protocol error"}, 1007: {"not DEFLATE data", "not UTF-8"}}


@ANY_TRANSPORT
@pytest.mark.gen_test
async def test_what_breaks_the_protocol_closes_with_its_code(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site, OFFER) as other:
        for name, (code, data) in BROKEN.items():
            async with raw_socket(site, OFFER) as raw:
                raw.writer.write(data + frame(TEXT, CALL) + frame(PING))  # what comes behind it is not answered
                assert (name, (said := await closing(raw))[0]) == (name, code)
                assert said[1] in REASONS[code]
                assert (said[1] == "not UTF-8") is (name == "no UTF-8")
        other.writer.write(parts(PACKED))
        assert await other.read()


@ANY_TRANSPORT
@pytest.mark.gen_test
async def test_a_window_of_the_message_before_is_not_there(ss: Server) -> None:
    stream = zlib.compressobj(wbits=-15)
    first, second = (
        (stream.compress(CALL) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff") for _ in range(2)
    )
    async with serving(ss) as site, raw_socket(site, OFFER) as raw:
        raw.send(TEXT, first, reserved=RSV1)
        assert await raw.read()
        raw.send(TEXT, second, reserved=RSV1)
        assert await closing(raw) == (1007, "not DEFLATE data")


# -- without it ------------------------------------------------------------------------------------


async def refuses(site: Site, opcode: int) -> None:
    async with raw_socket(site, OFFER) as raw:
        raw.send(opcode, PACKED, reserved=RSV1)
        assert await closing(raw) == (1002, "protocol error")


@EVERY_TRANSPORT
@pytest.mark.gen_test
async def test_where_it_is_off_a_compressed_message_breaks_the_protocol(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site:
        for opcode in (TEXT, BINARY):
            await refuses(site, opcode)
        async with connect(site, extensions=[ClientPerMessageDeflateFactory()]) as socket:
            assert socket.connection.protocol.extensions == []
            assert await socket.result("app.echo", "x" * 10_000) == "x" * 10_000


@EVERY_TRANSPORT
@pytest.mark.gen_test
async def test_where_it_was_not_offered_a_compressed_message_breaks_the_protocol(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        raw.send(TEXT, PACKED, reserved=RSV1)
        assert await closing(raw) == (1002, "protocol error")
