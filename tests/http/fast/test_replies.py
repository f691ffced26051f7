"""What handlers send: in pieces, to readers that are slow, of the wrong length, with headers that cannot be."""

from __future__ import annotations

import asyncio
import os
import resource
from pathlib import Path

import pytest
import tornado.web
from tornado.iostream import StreamClosedError

from tests.apps import MakeServer, serving
from tests.http.fast.handlers import mounted
from tests.http.fast.raw import body_of, get, raw, settled
from tests.logs import Logs
from tests.waiting import until

Handler = tornado.web.RequestHandler


@pytest.mark.gen_test
async def test_a_reply_in_pieces(make_server: MakeServer) -> None:
    async def pieces(self: Handler) -> None:
        for piece in ("a", "", "bc", "d" * 20):
            self.write(piece)
            await self.flush()
        self.finish("e")

    async with serving(mounted(make_server({}), pieces)) as site, raw(site.port, get(), get()) as client:
        for reply in await client.replies(2):
            assert b"Transfer-Encoding: chunked" in reply
            assert body_of(reply) == b"1\r\na\r\n2\r\nbc\r\n14\r\n" + b"d" * 20 + b"\r\n1\r\ne\r\n0\r\n\r\n"


@pytest.mark.gen_test
async def test_flush_waits_for_a_slow_reader(make_server: MakeServer) -> None:
    flushed: list[int] = []
    piece = b"x" * 1_000_000

    async def stream(self: Handler) -> None:
        for number in range(30):
            self.write(piece)
            await self.flush()
            flushed.append(number)

    async with serving(mounted(make_server({}), stream)) as site, raw(site.port, buffer=32768) as client:
        client.pause()
        await client.send(get())
        await until(lambda: flushed)
        await settled([])
        assert len(flushed) < 15, "no more than the system holds"
        client.resume()
        assert body_of(await client.reply()).count(b"x") == 30_000_000
        await client.send(get("/nothing"))
        assert (await client.reply()).startswith(b"HTTP/1.1 404")


@pytest.mark.gen_test
async def test_a_flush_that_was_given_up_does_not_spoil_the_next(make_server: MakeServer) -> None:
    events: list[str] = []

    async def stream(self: Handler) -> None:
        for _ in range(2):
            self.write(b"x" * 12_000_000)
            try:
                await asyncio.wait_for(self.flush(), 0.05)
            except TimeoutError:
                events.append("given up")
        client.resume()
        self.write("y")
        await self.flush()
        events.append("flushed")

    async with serving(mounted(make_server({}), stream)) as site, raw(site.port, buffer=32768) as client:
        client.pause()
        await client.send(get())
        assert body_of(await client.reply()).endswith(b"1\r\ny\r\n0\r\n\r\n")
    assert events == ["given up", "given up", "flushed"]


@pytest.mark.gen_test
async def test_files(make_server: MakeServer, tmp_path: Path) -> None:
    content = os.urandom(5_000_000)
    (tmp_path / "big.bin").write_bytes(content)
    (tmp_path / "empty.bin").write_bytes(b"")
    ss = make_server({})
    ss.http.mount(r"/files/(.*)", tornado.web.StaticFileHandler, {"path": str(tmp_path)})
    async with serving(ss) as site, raw(site.port, buffer=65536) as client:
        await client.send(get("/files/big.bin"))
        whole = await client.reply()
        assert body_of(whole) == content
        etag = next(line for line in whole.split(b"\r\n") if line.startswith(b"Etag: "))[6:].decode()
        await client.send(get("/files/big.bin", f"If-None-Match: {etag}"), get("/files/empty.bin"))
        unchanged, empty = await client.replies(2)
        assert unchanged.startswith(b"HTTP/1.1 304")
        assert empty.startswith(b"HTTP/1.1 200")
        assert body_of(unchanged) == body_of(empty) == b""
        await client.send(get("/files/big.bin", "Range: bytes=10-19"))
        part = await client.reply()
        assert part.startswith(b"HTTP/1.1 206")
        assert body_of(part) == content[10:20]


@pytest.mark.parametrize("status", [200, 204, 304, 101])
@pytest.mark.gen_test
async def test_a_reply_without_a_body(make_server: MakeServer, status: int) -> None:
    def empty(self: Handler) -> None:
        self.set_status(status)
        self.finish()

    async with serving(mounted(make_server({}), empty)) as site, raw(site.port, get(), get()) as client:
        for reply in await client.replies(2):
            assert int(reply.split()[1]) == status
            assert (b"Content-Length: 0" in reply) == (status == 200)
            assert b"Transfer-Encoding" not in reply


# -- mistakes ----------------------------------------------------------------------------------------


def sized(length: str, *pieces: bytes) -> object:
    async def method(self: Handler) -> None:
        self.set_header("Content-Length", length)
        for piece in pieces:
            self.write(piece)
            await self.flush()

    return method


def raw_header(name: str, value: object) -> object:
    def method(self: Handler) -> None:
        self._headers._as_list[name] = [value]  # type: ignore[list-item]  # past Tornado's checks
        self._headers._combined_cache[name] = value  # type: ignore[assignment]  # as above
        self.finish("body")

    return method


def with_reason(reason: str) -> object:
    def method(self: Handler) -> None:
        self.set_status(200, reason)
        self.finish("body")

    return method


def headers_of(value: str) -> object:
    def method(self: Handler) -> None:
        self.set_header("X", value)
        self.finish("body")

    return method


MISTAKES = {
    "too long": (sized("3", b"abc", b"def"), b"\r\n\r\nabc", True),
    "too long at once": (sized("3", b"abcdef"), b"", True),
    "too short": (sized("6", b"abc"), b"\r\n\r\nabc", True),
    "no number": (sized("abc", b"abc"), b"", False),
    "signed": (sized("+3", b"abc"), b"", False),
    "negative": (sized("-3", b"abc"), b"", False),
    "split": (raw_header("X", "a\r\nY: b"), b"", True),
    "line feed": (raw_header("X", "a\nY: b"), b"", True),
    "carriage return": (raw_header("X", "a\rY: b"), b"", True),
    "split name": (raw_header("X: a\r\nY", "b"), b"", True),
    "not latin1": (raw_header("X", "\u2603"), b"", True),
    "bytes": (raw_header("X", "ä".encode()), b"X: \xe4\r\n", False),
    "a number": (raw_header("X", 1), b"", True),
    "latin1": (headers_of("ä"), b"X: \xe4\r\n", False),
    "set_header checks": (headers_of("a\r\nY: b"), b"HTTP/1.1 500", False),
    "reason": (with_reason("Schön"), b"HTTP/1.1 200 Sch\xc3\xb6n\r\n", False),
}


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.gen_test
async def test_mistakes(make_server: MakeServer, logs: Logs, name: str) -> None:
    method, sent, over = MISTAKES[name]
    async with serving(mounted(make_server({}), method)) as site, raw(site.port, get()) as client:  # type: ignore[arg-type]  # a method
        await settled([client])
        assert (client.over, bool(client.received)) == (over, bool(sent))
        assert sent in client.undated
        if not over:
            client.received.clear()
            await client.send(get("/nothing"))
            assert (await client.reply()).startswith(b"HTTP/1.1 404")
    for record in logs.unexpected:
        logs.take(f"^{record.name}")


@pytest.mark.gen_test
async def test_writing_to_who_has_gone_is_silent_until_it_is_awaited(make_server: MakeServer) -> None:
    events: list[str] = []

    async def method(self: Handler) -> None:
        self.write("a")
        await self.flush()
        client.drop()
        await until(self.request.connection.stream.closed)  # type: ignore[union-attr]  # HTTP1Connection has it
        for _ in range(10):
            self.write("a")
            self.flush()
        try:
            await self.flush()
        except StreamClosedError:
            events.append("gone")

    async with serving(mounted(make_server({}), method)) as site, raw(site.port, get()) as client:
        await until(lambda: events)
    assert events == ["gone"]


@pytest.mark.gen_test
async def test_a_reply_that_is_awaited_and_not_taken_ends_without_an_error(make_server: MakeServer) -> None:
    events: list[str] = []

    async def method(self: Handler) -> None:
        await self.finish(b"x" * 12_000_000)
        events.append("finished")

    async with serving(mounted(make_server({}), method)) as site, raw(site.port, buffer=32768) as client:
        client.pause()
        await client.send(get())
        await settled([])
        assert not events
        client.drop()
        await until(lambda: events)


@pytest.mark.gen_test
async def test_without_a_descriptor_a_connection_is_lost_and_the_others_are_not(
    make_server: MakeServer, logs: Logs, way: str
) -> None:
    """To hand a connection over takes one more for a moment; Tornado's own needs none."""
    async with serving(make_server({})) as site, raw(site.port, get("/a")) as one, raw(site.port, get("/b")) as other:
        await one.replies()
        await other.replies()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            await one.send(get("/a") * 2)
            await settled([one])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert one.over == (way != "tornado")
        await other.send(get("/b") * 2)
        assert len(await other.replies(2)) == 2
    if way != "tornado":
        logs.take("an HTTP connection is lost: .*Too many open files")
