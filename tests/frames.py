"""A WebSocket client that does only what it is told: no pong, no reading, no closing handshake of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from tests.apps import Site

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
RSV1 = 4  # of the reserved bits, as ``frame`` takes them
HEADERS: dict[str, str] = {}  # of every handshake, as a test's fixture wants it


class Frame(NamedTuple):
    opcode: int
    data: bytes

    @property
    def json(self) -> Any:
        assert self.opcode == TEXT, self
        return json.loads(self.data)

    @property
    def close_code(self) -> int:
        assert self.opcode == CLOSE, self
        code: int = struct.unpack("!H", self.data[:2])[0]
        return code


class Packed(Frame):
    """A frame with RSV1 set: a compressed message."""

    @property
    def json(self) -> Any:
        assert self.opcode == TEXT, self
        return json.loads(unpacked(self.data))


class RawSocket:
    """Frames in and out, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, opcode: int, data: bytes = b"", *, final: bool = True, reserved: int = 0) -> None:
        self.writer.write(frame(opcode, data, final=final, reserved=reserved))

    def close(self, code: int, reason: bytes = b"") -> None:
        self.send(CLOSE, code.to_bytes(2, "big") + reason)

    async def read(self, within: float = 30) -> Frame | None:
        """The next frame; None when the server has ended the connection."""
        try:
            async with asyncio.timeout(within):
                first, length = await self.reader.readexactly(2)
                if length == 126:
                    (length,) = struct.unpack("!H", await self.reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
                assert not first & 0x30, "a reserved bit that has no meaning"
                kind = Packed if first & 0x40 else Frame
                return kind(first & 0x0F, await self.reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None


def frame(
    opcode: int,
    data: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    mask: bytes | None = b"\0\0\0\0",
    length: int | None = None,
    wide: int | None = None,
) -> bytes:
    """A client's frame. A mask of zeros leaves the data as it is; None: no mask.

    length: what the header says, if it lies. wide: of how many bytes the length is, 0, 2 or 8, if not the fewest.
    """
    size = len(data) if length is None else length
    if wide is None:
        wide = 0 if size < 126 else 2 if size < 65536 else 8
    short = {0: size, 2: 126, 8: 127}[wide]
    first = (0x80 if final else 0) | reserved << 4 | opcode
    header = bytes([first, (0 if mask is None else 0x80) | short]) + (size.to_bytes(wide, "big") if wide else b"")
    if mask is None:
        return header + data
    masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)) if any(mask) else data
    return header + mask + masked


def packed(data: bytes, how: int = zlib.Z_SYNC_FLUSH) -> bytes:
    """The payload of a compressed message, as RFC 7692, section 7.2.1, says. how: zlib flushes."""
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(data) + stream.flush(how)).removesuffix(b"\0\0\xff\xff")


def unpacked(payload: bytes) -> bytes:
    """What is in it, of a server that keeps no window from one message to the next."""
    return zlib.decompressobj(wbits=-15).decompress(payload + b"\0\0\xff\xff")


async def handshake(
    site: Site, headers: Mapping[str, str] | None = None, *, buffer: int = 2**16, then: bytes = b""
) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    """The status of the answer, and the connection.

    buffer: how much is read before anybody asks. then: what is sent in the same breath.
    """
    sock = socket.create_connection(("127.0.0.1", site.port))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)  # and the system does not let it grow
    reader, writer = await asyncio.open_connection(sock=sock, limit=buffer)
    writer.write(upgrade({"Host": f"127.0.0.1:{site.port}", **(headers or {})}) + then)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    return int(answer.split()[1]), reader, writer


def upgrade(headers: Mapping[str, str] | None = None) -> bytes:
    """The request for a WebSocket, with headers changed or added."""
    fields = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **HEADERS,
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"GET /rpc HTTP/1.1\r\n{lines}\r\n".encode()


@asynccontextmanager
async def raw_socket(
    site: Site, headers: Mapping[str, str] | None = None, *, buffer: int = 2**16, then: bytes = b""
) -> AsyncIterator[RawSocket]:
    """A WebSocket whose client does nothing by itself; dropped at the end."""
    status, reader, writer = await handshake(site, headers, buffer=buffer, then=then)
    assert status == 101
    try:
        yield RawSocket(reader, writer)
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)
