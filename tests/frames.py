"""A WebSocket client that does only what it is told: no pong, no reading, no closing handshake of its own."""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from tests.apps import Site

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Frame(NamedTuple):
    opcode: int
    data: bytes

    @property
    def close_code(self) -> int:
        assert self.opcode == CLOSE, self
        code: int = struct.unpack("!H", self.data[:2])[0]
        return code


class RawSocket:
    """Frames in and out, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, opcode: int, data: bytes = b"", *, final: bool = True, reserved: int = 0) -> None:
        self.writer.write(frame(opcode, data, final=final, reserved=reserved))

    async def read(self, within: float = 5) -> Frame | None:
        """The next frame; None when the server has ended the connection."""
        try:
            async with asyncio.timeout(within):
                first, length = await self.reader.readexactly(2)
                if length == 126:
                    (length,) = struct.unpack("!H", await self.reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
                return Frame(first & 0x0F, await self.reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None


def frame(opcode: int, data: bytes = b"", *, final: bool = True, reserved: int = 0) -> bytes:
    """A masked frame."""
    first = (0x80 if final else 0) | reserved << 4 | opcode
    if len(data) < 126:
        header = struct.pack("!BB", first, 0x80 | len(data))
    elif len(data) < 65536:
        header = struct.pack("!BBH", first, 0x80 | 126, len(data))
    else:
        header = struct.pack("!BBQ", first, 0x80 | 127, len(data))
    return header + b"\0\0\0\0" + data  # a mask of zeros leaves the data as it is


async def handshake(
    site: Site, headers: Mapping[str, str] | None = None, *, buffer: int = 2**16
) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    """The status of the answer, and the connection. buffer: how much is read before anybody asks."""
    sock = socket.create_connection(("127.0.0.1", site.port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)  # and the system does not let it grow
    reader, writer = await asyncio.open_connection(sock=sock, limit=buffer)
    fields = {
        "Host": f"127.0.0.1:{site.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"GET /rpc HTTP/1.1\r\n{lines}\r\n".encode())
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    return int(answer.split()[1]), reader, writer


@asynccontextmanager
async def raw_socket(site: Site, *, buffer: int = 2**16) -> AsyncIterator[RawSocket]:
    """A WebSocket whose client does nothing by itself; dropped at the end."""
    status, reader, writer = await handshake(site, buffer=buffer)
    assert status == 101
    try:
        yield RawSocket(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)
