"""RFC 6455, section 4: the handshake, and what a client sends in the same breath. The same on every transport."""

from __future__ import annotations

import asyncio

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame as ServerFrame
from websockets.frames import Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from rpc_sessions import Server
from tests.apps import ECHO, MakeServer, Site, serving
from tests.frames import CLOSE, PING, PONG, TEXT, Frame, RawSocket, frame, handshake, raw_socket, upgrade
from tests.waiting import until
from tests.websocket.transports import EVERY_TRANSPORT
from tests.wire import connect, request

pytestmark = EVERY_TRANSPORT

SESSIONS = """
    def actions(req, res, ss):
        req.use("session")

        async def echo(value):
            return value
        async def id():
            return req.session_id
        return echo, id
"""
CALL = request("app.echo", ["early"]).encode()


@pytest.fixture
def ss(make_server: MakeServer) -> Server:
    return make_server({"rpc/app.py": SESSIONS})


async def head(site: Site, headers: dict[str, str] | None = None) -> tuple[str, list[tuple[str, str]]]:
    """The status line of an answer to a handshake, and its headers, sorted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(upgrade(headers))
    status, *lines = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode().strip().split("\r\n")
    writer.transport.abort()
    fields = [line.split(": ", 1) for line in lines]
    return status, sorted((name, value) for name, value in fields)


@pytest.mark.gen_test
async def test_the_answer(make_server: MakeServer) -> None:
    key = "dGhlIHNhbXBsZSBub25jZQ=="  # of section 1.3
    async with serving(make_server({"rpc/app.py": ECHO})) as site:
        status, headers = await head(site, {"Sec-WebSocket-Key": key})
        assert status == "HTTP/1.1 101 Switching Protocols"
        assert [name for name, _ in headers if name not in ("Date", "Server")] == [
            "Connection", "Sec-Websocket-Accept", "Upgrade", "Vary",
        ]  # fmt: skip
        assert ("Sec-Websocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") in headers
        assert {("Connection", "Upgrade"), ("Upgrade", "websocket")} <= {*headers}


@pytest.mark.gen_test
async def test_a_cookie_is_set_on_the_answer_and_is_the_one_that_counts(ss: Server) -> None:
    async with serving(ss) as site:
        async with connect(site) as first:
            assert first.connection.response
            cookie = first.connection.response.headers["Set-Cookie"].split(";")[0]
            id = await first.result("app.id")
        async with connect(site, headers={"Cookie": cookie}) as again:
            assert id in cookie
            assert await again.result("app.id")


@pytest.mark.parametrize(
    "offer",
    [
        {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
        {"Sec-WebSocket-Extensions": "permessage-deflate, x-webkit-deflate-frame, foo; bar=1"},
        {"Sec-WebSocket-Protocol": "jsonrpc, chat"},
        {"Sec-WebSocket-Protocol": ",,"},
    ],
)
@pytest.mark.gen_test
async def test_no_extension_and_no_subprotocol_is_agreed_to(offer: dict[str, str], ss: Server) -> None:
    async with serving(ss) as site:
        status, headers = await head(site, offer)
        assert status.startswith("HTTP/1.1 101 ")
        assert not {"Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} & {name.title() for name, _ in headers}
        _, reader, writer = await handshake(site, offer, then=frame(TEXT, CALL))
        reply = await RawSocket(reader, writer).read()
        assert reply
        assert reply.json["result"] == "early"
        writer.transport.abort()


REFUSED = [
    ({"Sec-WebSocket-Version": "8"}, 426),
    ({"Sec-WebSocket-Version": ""}, 426),
    ({"Upgrade": "h2c"}, 400),
    ({"Upgrade": "websocket, h2c"}, 400),
    ({"Connection": "Upgraded"}, 400),
    ({"Connection": "keep-alive"}, 400),
    ({"Sec-WebSocket-Key": ""}, 400),
    ({"Sec-WebSocket-Key": "c2hvcnQ="}, 400),
    ({"Sec-WebSocket-Key": "not base64, not 16 bytes"}, 400),
    ({"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="[:-1]}, 400),
    ({"Origin": "https://evil.example"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), REFUSED)
@pytest.mark.gen_test
async def test_what_is_refused_leaves_no_session(headers: dict[str, str], status: int, ss: Server) -> None:
    async with serving(ss) as site:
        line, fields = await head(site, headers)
        assert int(line.split()[1]) == status
        assert "Set-Cookie" not in dict(fields)
        assert ("Sec-Websocket-Version", "13") in fields or status != 426
        assert list(ss.session.claims.all()) == []


@pytest.mark.parametrize("connection", ["keep-alive, Upgrade", "upgrade", "UPGRADE , keep-alive"])
@pytest.mark.gen_test
async def test_how_browsers_and_proxies_say_upgrade(connection: str, ss: Server) -> None:
    async with serving(ss) as site:
        assert (await head(site, {"Connection": connection, "Upgrade": "WebSocket"}))[0].startswith("HTTP/1.1 101 ")


@pytest.mark.gen_test
async def test_http_10_has_no_websockets(ss: Server) -> None:
    async with serving(ss) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(upgrade().replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (await asyncio.wait_for(reader.readline(), 30)).split()[1] == b"400"
        writer.transport.abort()


# -- what comes with the request -------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_frame_in_the_same_segment_as_the_request(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site, then=frame(TEXT, CALL)) as raw:
        reply = await raw.read()
        assert reply
        assert reply.json["result"] == "early"
        raw.send(TEXT, request("app.echo", ["late"]).encode())
        reply = await raw.read()
        assert reply
        assert reply.json["result"] == "late"


@pytest.mark.parametrize("size", [100, 20_000, 60_000])
@pytest.mark.gen_test
async def test_many_frames_and_a_part_of_one(size: int, ss: Server) -> None:
    large = frame(TEXT, request("app.echo", ["x" * size], 100).encode())
    small = b"".join(frame(TEXT, request("app.echo", [i], i).encode(), mask=b"abcd") for i in range(30))
    async with serving(ss) as site:
        for cut in (1, 5, 20, len(large) // 2, len(large) - 1):
            async with raw_socket(site, then=small + large[:cut]) as raw:
                found = [answer.json["result"] for answer in [await raw.read() for _ in range(30)] if answer]
                assert found == [*range(30)]
                raw.writer.write(large[cut:])
                reply = await raw.read()
                assert reply
                assert len(reply.json["result"]) == size


@pytest.mark.parametrize(
    ("data", "answers"),
    [
        (frame(PING, b"x"), [Frame(PONG, b"x")]),
        (frame(CLOSE, b"\x03\xe8"), [Frame(CLOSE, b"\x03\xe8"), None]),
        (frame(TEXT, b"x", mask=None), [Frame(CLOSE, b"\x03\xeaprotocol error"), None]),
        (frame(TEXT, b"", length=2**40, wide=8), [Frame(CLOSE, b"\x03\xf1message too big"), None]),
        (b"\x81", []),
    ],
)
@pytest.mark.gen_test
async def test_anything_in_the_same_segment(data: bytes, answers: list[Frame | None], ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site, then=data) as raw:
        assert [await raw.read() for _ in answers] == answers


@pytest.mark.gen_test
async def test_a_client_that_has_ended_its_side_at_once(ss: Server) -> None:
    async with serving(ss) as site:
        for data in (b"", frame(TEXT, CALL), frame(CLOSE, b"\x03\xe8"), b"\x81"):
            reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(upgrade() + data)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 30)
            writer.close()
        await until(lambda: not ss.publish.all("news"))
        await until(lambda: not list(ss.session.claims.all()))


@pytest.mark.gen_test
async def test_behind_other_requests_of_the_same_connection(ss: Server) -> None:
    health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    async with serving(ss) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(health + health + upgrade() + frame(TEXT, CALL))
        for _ in range(2):
            assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"200"
            assert await reader.readexactly(15) == b'{"status":"ok"}'
        assert (await reader.readuntil(b"\r\n\r\n")).split()[1] == b"101"
        reply = await RawSocket(reader, writer).read()
        assert reply
        assert reply.json["result"] == "early"
        writer.transport.abort()


# -- a peer that checks each byte of the server ----------------------------------------------------


class StrictPeer:
    """``websockets``' protocol without its I/O: it fails at anything that RFC 6455 does not allow a server."""

    def __init__(self, site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.protocol = ClientProtocol(parse_uri(site.ws), max_size=None)
        self.reader, self.writer = reader, writer
        self.protocol.send_request(self.protocol.connect())
        self.events: list[object] = []

    def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.writer.write(data)
            else:
                self.writer.write_eof()

    async def event(self) -> object:
        """The next event; None at the end of the connection."""
        self.flush()
        while not self.events:
            data = await asyncio.wait_for(self.reader.read(65536), 30)
            if not data:
                self.protocol.receive_eof()
                return None
            self.protocol.receive_data(data)
            assert self.protocol.parser_exc is None, self.protocol.parser_exc
            self.events += self.protocol.events_received()
            self.flush()
        return self.events.pop(0)


async def strict(site: Site) -> StrictPeer:
    peer = StrictPeer(site, *await asyncio.open_connection("127.0.0.1", site.port))
    assert isinstance(await peer.event(), Response)
    assert peer.protocol.handshake_exc is None
    return peer


@pytest.mark.parametrize("beginner", ["client", "server"])
@pytest.mark.gen_test
async def test_a_strict_peer_finds_nothing_wrong(beginner: str, make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SESSIONS}, message_limit=200_000)
    async with serving(ss) as site:
        peer = await strict(site)
        for size in (0, 1, 30, 90, 125, 126, 1000, 65535 - 50, 65535, 65536, 150_000):
            peer.protocol.send_text(request("app.echo", ["x" * size]).encode())
            event = await peer.event()
            assert isinstance(event, ServerFrame)
            assert event.opcode is Opcode.TEXT
            assert event.fin
            assert len(event.data) > size
        peer.protocol.send_ping(b"x" * 125)
        event = await peer.event()
        assert isinstance(event, ServerFrame)
        assert (event.opcode, event.data) == (Opcode.PONG, b"x" * 125)
        stopping = asyncio.ensure_future(ss.stop(drain=0)) if beginner == "server" else None
        if stopping is None:
            peer.protocol.send_close(4000, "bye")
        event = await peer.event()
        assert isinstance(event, ServerFrame)
        assert event.opcode is Opcode.CLOSE
        assert await peer.event() is None
        assert peer.protocol.state is State.CLOSED
        assert peer.protocol.close_code == (4000 if beginner == "client" else 1001)
        peer.writer.close()
