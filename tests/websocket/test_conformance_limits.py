"""What a client may send and leave unread. The same on every transport."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator

import pytest

from rpc_sessions import Server
from tests.apps import ECHO, MakeServer, serving
from tests.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame, RawSocket, frame, raw_socket
from tests.logs import Logs
from tests.websocket.test_send_queue import serving_with_small_buffers
from tests.websocket.transports import EVERY_FRAMING
from tests.wire import notification, request

pytestmark = EVERY_FRAMING

LIMIT = 64 * 1024
TOO_BIG = Frame(CLOSE, b"\x03\xf1message too big")


@pytest.fixture
def ss(make_server: MakeServer) -> Server:
    return make_server({"rpc/app.py": ECHO})


class Memory:
    """What Python has allocated since the beginning, in bytes: now, and at the most."""

    def __init__(self) -> None:
        gc.collect()
        self.before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()

    @property
    def grown(self) -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - self.before

    @property
    def peak(self) -> int:
        return tracemalloc.get_traced_memory()[1] - self.before


@pytest.fixture
def _tracing() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


TOO_LARGE = {
    "one frame": frame(TEXT, b"x" * (LIMIT + 1)),
    "a binary frame": frame(BINARY, b"x" * (LIMIT + 1)),
    "two parts": frame(TEXT, b"x" * LIMIT, final=False) + frame(CONTINUATION, b"x"),
    "many parts": frame(TEXT, b"x" * 1000, final=False) + frame(CONTINUATION, b"x" * 1000, final=False) * 70,
    "a part of its own": frame(TEXT, b"x", final=False) + frame(CONTINUATION, b"x" * (LIMIT + 1), final=False),
    "a header that says so": frame(TEXT, b"", length=LIMIT + 1),
    "a header that says 2 GiB": frame(TEXT, b"", length=2**31),
    "a header that says 8 EiB": frame(TEXT, b"", length=2**63 - 1),
}


@pytest.mark.gen_test
async def test_what_is_too_large_closes_with_1009(ss: Server) -> None:
    async with serving(ss) as site:
        for name, data in TOO_LARGE.items():
            async with raw_socket(site) as raw:
                raw.writer.write(data)
                assert (name, await raw.read(), await raw.read()) == (name, TOO_BIG, None)


@pytest.mark.gen_test
async def test_what_is_just_small_enough_is_not_too_large(ss: Server) -> None:
    text = notification("app.echo", ["x" * (LIMIT - len(notification("app.echo", [""])))]).encode()
    assert len(text) == LIMIT
    async with serving(ss) as site, raw_socket(site) as raw:
        raw.send(TEXT, text)
        raw.send(TEXT, text[: LIMIT - 1], final=False)
        raw.send(CONTINUATION, text[LIMIT - 1 :])
        raw.send(PING, b"still here")
        answer = await raw.read()
        assert answer
        assert answer.data == b"still here"


@pytest.mark.usefixtures("_tracing")
@pytest.mark.gen_test
async def test_a_message_that_is_far_too_large_is_not_kept_and_its_sender_hears_why(ss: Server) -> None:
    chunk = b"x" * 65536
    async with serving(ss) as site, raw_socket(site) as raw:
        memory = Memory()
        raw.writer.write(frame(TEXT, b"", length=64 * 1024 * 1024))
        for _ in range(512):  # 32 MiB: the client does not look up before it has sent them
            raw.writer.write(chunk)
            await raw.writer.drain()
        assert memory.peak < 2 * 1024 * 1024
        assert await raw.read() == TOO_BIG
        assert await raw.read() is None


@pytest.mark.usefixtures("_tracing")
@pytest.mark.gen_test
async def test_parts_of_nothing_cost_nothing(ss: Server) -> None:
    empty = frame(CONTINUATION, b"", final=False) * 1000
    async with serving(ss) as site, raw_socket(site) as raw:
        raw.send(TEXT, b"[", final=False)
        memory = Memory()
        for _ in range(50):
            raw.writer.write(empty)
            await raw.writer.drain()
            await asyncio.sleep(0)
        raw.send(CONTINUATION, b"]")
        answer = await raw.read()
        assert answer
        assert answer.json["error"]["code"] == -32600
        assert memory.grown < 256 * 1024


@pytest.mark.usefixtures("_tracing")
@pytest.mark.gen_test
async def test_a_flood_is_not_kept(ss: Server) -> None:
    flood = frame(PONG, b"x" * 100) * 100_000
    async with serving(ss) as site, raw_socket(site) as raw:
        memory = Memory()
        await asyncio.to_thread(send, raw, flood)
        raw.send(PING, b"after it")
        assert await raw.read() == Frame(PONG, b"after it")
        assert memory.peak < 512 * 1024


def send(raw: RawSocket, data: bytes) -> None:
    """Send all, at once, without the loop."""
    sock = raw.writer.get_extra_info("socket").dup()
    sock.setblocking(True)
    sock.sendall(data)
    sock.close()


@pytest.mark.gen_test
async def test_who_sends_without_a_pause_keeps_nobody_waiting(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw, raw_socket(site) as other:
        flooding = asyncio.ensure_future(asyncio.to_thread(send, raw, frame(PONG, b"x" * 100) * 200_000))
        answered = 0
        while not flooding.done():
            other.send(PING)
            assert await other.read() == Frame(PONG, b"")
            answered += 1
        assert answered > 5
        await flooding


@pytest.mark.gen_test
async def test_a_message_that_pauses_in_its_middle_is_whole_in_the_end(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO}, ping_interval=0.1, ping_timeout=60)
    text = request("app.echo", ["x" * 60_000]).encode()
    async with serving(ss) as site, raw_socket(site) as raw:
        for end in (10, 20_000, len(text)):
            data = frame(TEXT, text)
            raw.writer.write(frame(PONG) + data[:end])
            assert await raw.read() == Frame(PING, b"")  # by now the server has tidied up
            raw.writer.write(data[end:])
            while (reply := await raw.read()) == Frame(PING, b""):
                pass
            assert reply
            assert len(reply.json["result"]) == 60_000


@pytest.mark.usefixtures("_tracing")
@pytest.mark.gen_test
async def test_pings_whose_pongs_nobody_reads_end_the_connection(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({"rpc/app.py": ECHO}, send_queue=32 * 1024)
    pings = frame(PING, b"x" * 125) * 100
    async with serving_with_small_buffers(ss) as site, raw_socket(site) as raw:
        memory = Memory()
        while "slow consumer" not in str(logs):
            raw.writer.write(pings)
            await asyncio.sleep(0.001)
        logs.take("closed a slow consumer: 32768 bytes unread")
        assert memory.peak < 1024 * 1024
        raw.close(4008)
        answers = await asyncio.wait_for(raw.reader.read(-1), 30)
        assert answers.endswith(b"\x88\x0f\x0f\xa8slow consumer")


@pytest.mark.gen_test
async def test_who_does_not_read_keeps_no_pings_from_others(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({"rpc/app.py": ECHO}, ping_interval=0.1, ping_timeout=60)
    async with serving(ss) as site, raw_socket(site) as other:
        for _ in range(3):
            async with raw_socket(site, buffer=4096) as deaf:
                for i in range(40):  # 40 KiB each: more than the system takes, less than the queue
                    deaf.send(TEXT, request("app.echo", ["x" * 40_000], i).encode())
                for _ in range(3):
                    ping = await other.read()
                    assert ping == Frame(PING, b"")
                    other.send(PONG)


@pytest.mark.usefixtures("_tracing")
@pytest.mark.gen_test
async def test_what_an_idle_client_has_sent_is_not_kept(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO}, ping_interval=0.1, ping_timeout=60)
    text = notification("app.echo", ["x" * 60_000]).encode()
    async with serving(ss) as site, raw_socket(site) as first:
        first.send(TEXT, text)
        assert await first.read() == Frame(PING, b"")
        memory = Memory()
        clients = [raw_socket(site) for _ in range(30)]
        sockets = [await client.__aenter__() for client in clients]
        for raw in sockets:
            raw.send(TEXT, text)
        for raw in sockets:
            assert await raw.read() == Frame(PING, b"")
        assert memory.grown / len(sockets) < 40_000  # both ends, but not the 60,000 bytes
        for raw in sockets:
            raw.send(TEXT, request("app.echo", ["again"]).encode())
        for raw in sockets:
            while (reply := await raw.read()) == Frame(PING, b""):
                pass
            assert reply
            assert reply.json["result"] == "again"
        for client in clients:
            await client.__aexit__(None, None, None)
