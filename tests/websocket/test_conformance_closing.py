"""RFC 6455, section 7: how a connection ends, whoever begins it. The same on every transport."""

from __future__ import annotations

import asyncio
import time

import pytest

from rpc_sessions import Server
from rpc_sessions.dispatcher import Dispatcher
from rpc_sessions.session.cookie import sign
from rpc_sessions.transport import framed_socket
from tests.apps import SECRET, MakeServer, serving
from tests.frames import CLOSE, PING, PONG, TEXT, Frame, RawSocket, frame, handshake, raw_socket, upgrade
from tests.logs import Logs
from tests.waiting import until
from tests.websocket.transports import EVERY_FRAMING
from tests.wire import connect, request

pytestmark = EVERY_FRAMING

APP = """
    import asyncio

    def actions(req, res, ss):
        req.use("session")
        ss.api.cancelled = asyncio.Event()

        async def wait():
            try:
                await asyncio.Event().wait()
            finally:
                ss.api.cancelled.set()

        async def end():
            req.session["a"] = 1
            await req.session.save()
            await req.session.destroy()

        async def leave(reason: str = "leave"):
            req.peer.close(4000, reason)

        return wait, end, leave
"""


@pytest.fixture
def ss(make_server: MakeServer) -> Server:
    return make_server({"rpc/app.py": APP})


async def waiting(ss: Server, raw: RawSocket) -> None:
    """Leave a call under way."""
    raw.send(TEXT, request("app.wait").encode())
    raw.send(PING)
    assert await raw.read() == Frame(PONG, b"")


async def forgotten(ss: Server) -> None:
    """Until the server has no connection any more, and the call is cancelled."""
    await until(ss.api.cancelled.is_set)
    ss.api.cancelled.clear()
    await until(lambda: not ss.publish.all("news"))


# -- the client begins -----------------------------------------------------------------------------


FIT = {
    **{f"code {code}": code.to_bytes(2, "big") for code in (1000, 1001, 1002, 1003, *range(1007, 1015))},
    **{f"code {code}": code.to_bytes(2, "big") for code in (3000, 4000, 4401, 4999)},
    "a reason": b"\x03\xe8" + "né, lebewohl".encode(),
    "a long reason": b"\x03\xe9" + b"x" * 123,
    "no code": b"",
}


@pytest.mark.gen_test
async def test_the_code_of_the_client_comes_back(ss: Server) -> None:
    async with serving(ss) as site:
        for name, payload in FIT.items():
            async with raw_socket(site) as raw:
                await waiting(ss, raw)
                raw.send(CLOSE, payload)
                assert (name, await raw.read(), await raw.read()) == (name, Frame(CLOSE, payload[:2]), None)
                await forgotten(ss)


UNFIT = {
    **{f"code {code}": (1002, code.to_bytes(2, "big")) for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100)},
    **{f"code {code}": (1002, code.to_bytes(2, "big")) for code in (2000, 2999, 5000, 65535)},
    "half a code": (1002, b"\x03"),
    "a reason that is no UTF-8": (1007, b"\x03\xe8\xff"),
    "a reason that ends within a character": (1007, b"\x03\xe8" + "é".encode()[:1]),
}


@pytest.mark.gen_test
async def test_a_close_that_is_unfit(ss: Server) -> None:
    async with serving(ss) as site:
        for name, (code, payload) in UNFIT.items():
            async with raw_socket(site) as raw:
                await waiting(ss, raw)
                raw.send(CLOSE, payload)
                answer = await raw.read()
                assert answer, name
                assert answer.close_code == code, name
                assert await raw.read() is None, name
                await forgotten(ss)


@pytest.mark.gen_test
async def test_nothing_is_heard_after_a_close(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        behind = frame(TEXT, request("app.unknown").encode()) + frame(PING) + frame(CLOSE, b"\x03\xe9") + b"\xff" * 50
        raw.writer.write(frame(CLOSE, b"\x03\xe8") + behind)
        assert await raw.read() == Frame(CLOSE, b"\x03\xe8")
        assert await raw.read() is None


@pytest.mark.gen_test
async def test_half_of_a_close_is_none(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        await waiting(ss, raw)
        raw.writer.write(frame(CLOSE, b"\x03\xe8")[:5])
        with pytest.raises(TimeoutError):
            await raw.read(0.1)
        raw.writer.write_eof()
        assert await raw.read() is None
        await forgotten(ss)


@pytest.mark.parametrize("how", ["end", "reset"])
@pytest.mark.gen_test
async def test_a_client_that_goes_without_a_close(how: str, ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        await waiting(ss, raw)
        if how == "end":
            raw.writer.write_eof()  # it may still read: without a Close it is a broken connection all the same
            assert await raw.read() is None
        else:
            raw.writer.transport.abort()
        await forgotten(ss)


@pytest.mark.gen_test
async def test_a_client_may_vanish_in_the_middle_of_anything(ss: Server) -> None:
    opening, call = upgrade(), frame(TEXT, request("app.unknown").encode())
    async with serving(ss) as site:
        for data in (opening, opening + call):
            for end in range(0, len(data), 7):
                _, writer = await asyncio.open_connection("127.0.0.1", site.port)
                writer.write(data[:end])
                await asyncio.sleep(0.001)
                writer.transport.abort()
        async with connect(site) as socket:
            assert (await socket.call("app.unknown"))["error"]["code"] == -32601
            await until(lambda: ss.publish.all("news") == 1)


@pytest.mark.gen_test
async def test_a_client_that_ends_its_side_with_much_unread(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": APP}, send_queue=64 * 1024 * 1024)
    async with serving(ss) as site, raw_socket(site) as raw:
        await waiting(ss, raw)
        for _ in range(100):
            ss.publish.all("news", "x" * 100_000)
            await asyncio.sleep(0)
        raw.writer.write_eof()
        await forgotten(ss)


# -- the server begins -----------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_1001_when_the_server_stops(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        stopping = asyncio.ensure_future(ss.stop(drain=0))
        assert await raw.read() == Frame(CLOSE, b"\x03\xe9going away")
        raw.close(1001)
        assert await raw.read() is None
        await stopping


@pytest.mark.gen_test
async def test_4401_when_the_session_ends(ss: Server) -> None:
    session = await ss.session.create({}, "ada")
    headers = {"Cookie": f"connect.sid={sign(session.id, SECRET)}"}
    async with serving(ss) as site, connect(site, headers=headers) as other:
        status, reader, writer = await handshake(site, headers)
        assert status == 101
        raw = RawSocket(reader, writer)
        await waiting(ss, raw)
        await other.begin("app.end")
        answer = await raw.read()
        assert answer
        assert answer.close_code == 4401
        assert answer.data[2:].decode()
        raw.close(4401)
        assert await raw.read() is None
        writer.close()
        await asyncio.wait_for(ss.api.cancelled.wait(), 30)


async def closed(raw: RawSocket) -> None:
    """Have the server close the connection."""
    raw.send(TEXT, request("app.leave").encode())
    assert await raw.read() == Frame(CLOSE, b"\x0f\xa0leave")


@pytest.mark.gen_test
async def test_a_reason_that_is_too_long_is_cut_between_characters(ss: Server) -> None:
    async with serving(ss) as site, connect(site) as socket:
        await socket.begin("app.leave", "x" + "é" * 100)
        assert await socket.closed() == (4000, "x" + "é" * 61)


@pytest.mark.gen_test
async def test_1011_for_a_fault_of_our_own(ss: Server, monkeypatch: pytest.MonkeyPatch, logs: Logs) -> None:
    def fault(*_: object) -> None:
        raise ZeroDivisionError

    async with serving(ss) as site, raw_socket(site) as raw, raw_socket(site) as other:
        with monkeypatch.context() as patched:
            patched.setattr(Dispatcher, "receive", fault)
            raw.send(TEXT, request("app.unknown").encode())
            assert await raw.read() == Frame(CLOSE, b"\x03\xf3internal error")
        assert await raw.read() is None
        other.send(TEXT, request("app.unknown").encode())
        assert await other.read()
    logs.take("a WebSocket message failed")


@pytest.mark.gen_test
async def test_after_its_close_the_server_says_and_hears_nothing(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        await closed(raw)
        raw.send(TEXT, request("app.unknown").encode())
        raw.send(PING, b"x")
        raw.send(TEXT, b"in ", final=False)
        ss.publish.all("news")
        raw.close(1000)
        assert await raw.read() is None


@pytest.mark.parametrize("bad", [frame(CLOSE, b"\0\0"), frame(TEXT, b"", reserved=1), frame(TEXT, b"", mask=None)])
@pytest.mark.gen_test
async def test_nonsense_after_the_servers_close_is_answered_with_no_second_one(bad: bytes, ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        await closed(raw)
        raw.writer.write(bad)
        assert await raw.read() is None


# -- who does not go -------------------------------------------------------------------------------


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framed_socket, "CLOSING", 1.0)


async def reset(raw: RawSocket) -> None:
    """Until the server has dropped the connection, whatever the client sends."""
    async with asyncio.timeout(30):
        try:
            while True:
                raw.writer.write(b"x")
                await raw.writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass


@pytest.mark.usefixtures("_impatient")
@pytest.mark.gen_test
async def test_who_does_not_answer_a_close_is_dropped(ss: Server) -> None:
    async with serving(ss) as site, raw_socket(site) as raw:
        await waiting(ss, raw)
        start = time.monotonic()
        await closed(raw)
        assert await raw.read() is None
        assert time.monotonic() - start > 0.8
        await forgotten(ss)


@pytest.mark.parametrize("closing", [60.0, 1.0])
@pytest.mark.gen_test
async def test_who_goes_on_sending_after_it_broke_the_protocol_is_dropped(
    ss: Server, monkeypatch: pytest.MonkeyPatch, closing: float
) -> None:
    monkeypatch.setattr(framed_socket, "CLOSING", closing)
    async with serving(ss) as site, raw_socket(site) as raw:
        await waiting(ss, raw)
        raw.writer.write(b"\xff")
        raw.writer.write(b"\xff")
        answer = await raw.read()
        assert answer
        assert answer.close_code == 1002
        await until(ss.api.cancelled.is_set)  # its calls end at once, even where it has a minute
        if closing == 1:
            await reset(raw)
            await forgotten(ss)


@pytest.mark.usefixtures("_impatient")
@pytest.mark.gen_test
async def test_who_reads_nothing_cannot_stay_either(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": APP}, send_queue=64 * 1024 * 1024)
    async with serving(ss) as site, raw_socket(site) as raw:
        await waiting(ss, raw)
        for _ in range(100):
            ss.publish.all("news", "x" * 100_000)
            await asyncio.sleep(0)
        raw.close(1000)  # our answer waits behind 10 MB
        await forgotten(ss)
