"""A client that sends the bytes it is told to send, and keeps what comes."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import cast

from tests.waiting import until

_DATE = re.compile(rb"Date: [^\r]*\r\n")


def get(path: str = "/x", *fields: str) -> bytes:
    """A GET. fields: "Name: value"."""
    lines = [f"GET {path} HTTP/1.1", "Host: x", *fields]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin1")


def post(path: str, body: bytes) -> bytes:
    """A POST with its length."""
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Raw(asyncio.Protocol):
    """A connection. ``received``: all that came. ``over``: whether the server has ended it."""

    _transport: asyncio.Transport

    def __init__(self, sock: socket.socket) -> None:
        self._sending = (
            sock.dup()
        )  # a server that has closed makes a write fail: what it sent before is read all the same
        self.received = bytearray()
        self.over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> None:
        self.over = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        self._sending.close()

    async def send(self, *pieces: bytes) -> None:
        """Send pieces, each in a packet of its own, as far as the server takes them."""
        with suppress(OSError):
            for piece in pieces:
                await asyncio.get_running_loop().sock_sendall(self._sending, piece)
                await asyncio.sleep(0)

    async def replies(self, count: int = 1) -> list[bytes]:
        """Take the next replies off, each head and body, without their dates. TimeoutError if they do not come."""
        found: list[bytes] = []

        def enough() -> bool:
            while len(found) < count and self._take(found):
                pass
            return len(found) == count or self.over

        await until(enough)
        assert len(found) == count, f"{len(found)} of {count} replies, and {bytes(self.received)!r}"
        return found

    async def reply(self) -> bytes:
        return (await self.replies())[0]

    def _take(self, found: list[bytes]) -> bool:
        whole = length_of(self.received)
        if whole:
            found.append(_DATE.sub(b"", bytes(self.received[:whole])))
            del self.received[:whole]
        return whole > 0

    async def rest(self) -> bytes:
        """What comes until the server ends the connection. TimeoutError if it does not."""
        await until(lambda: self.over)
        return self.undated

    @property
    def undated(self) -> bytes:
        """What was received, without dates."""
        return _DATE.sub(b"", bytes(self.received))

    def pause(self) -> None:
        """Read no more."""
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    def end_sending(self) -> None:
        self._transport.write_eof()

    def drop(self) -> None:
        """Go, without a word."""
        self._transport.abort()


def length_of(data: bytes | bytearray) -> int:
    """How long the reply is that data begins with; 0 if it is not whole."""
    head = data.find(b"\r\n\r\n") + 4
    if head < 4:
        return 0
    fields = bytes(data[:head]).lower()
    if b"transfer-encoding: chunked" in fields:
        end = data.find(b"0\r\n\r\n", head) + 5
        return end if end >= 5 else 0
    said = re.search(rb"content-length: (\d+)", fields)
    whole = head + (int(said[1]) if said and b" 304 " not in fields.split(b"\r\n")[0] else 0)
    return whole if len(data) >= whole else 0


def body_of(reply: bytes) -> bytes:
    return reply.partition(b"\r\n\r\n")[2]


@asynccontextmanager
async def raw(port: int, *pieces: bytes, buffer: int | None = None) -> AsyncIterator[Raw]:
    """A connection, dropped at the end. pieces: sent at once. buffer: what the system takes before anybody reads."""
    sock = socket.socket()
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    try:
        sock.connect(("127.0.0.1", port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    _, client = await asyncio.get_running_loop().create_connection(lambda: Raw(sock), sock=sock)
    try:
        await client.send(*pieces)
        yield client
    finally:
        client.drop()
        await asyncio.sleep(0)


async def settled(clients: Sequence[Raw]) -> None:
    """Wait until nothing more comes: the servers are of this loop, and answer within a few rounds of it."""
    before = -1
    while before != (before := sum(len(client.received) + client.over for client in clients)):
        for _ in range(40):
            await asyncio.sleep(0.002)
