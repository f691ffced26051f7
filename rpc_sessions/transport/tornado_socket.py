"""The transport for every stream that Tornado has, TLS among them: its IOStream, and frames in pure Python."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

from tornado.iostream import IOStream, StreamClosedError

from rpc_sessions.request import log
from rpc_sessions.transport.framed_socket import FramedSocket
from rpc_sessions.transport.frames import Broken, FrameReader
from rpc_sessions.transport.websocket import Connection

CHUNK = 64 * 1024


class TornadoSocket(FramedSocket):
    """A WebSocket on an IOStream."""

    _stream: IOStream
    _task: asyncio.Task[None]

    def __init__(self, connection: Connection, limit: int) -> None:
        super().__init__(connection, limit)
        self._reader = FrameReader(limit)
        self._unsent = 0

    async def open(self, stream: IOStream) -> None:
        """Take the stream over from Tornado, which has answered 101."""
        self._stream = stream
        stream.set_nodelay(True)
        self.connection.opened(self)
        self._task = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        try:
            while True:
                self._read(await self._some())
                self.answer()
        except StreamClosedError:
            pass
        except Exception:
            log.exception("a WebSocket failed")
        finally:
            self._stream.close()
            self.lost()

    async def _some(self) -> bytes:
        reading = asyncio.ensure_future(self._stream.read_bytes(CHUNK, partial=True))
        try:
            if reading.done():
                await asyncio.sleep(0)  # who sends without a pause does not keep the others waiting
            return await reading
        finally:
            del reading  # its exception would hold this frame, and this frame it

    def _read(self, data: bytes) -> None:
        if self.deaf:
            return
        try:
            for frame in self._frames(data):
                self.frame(*frame)
        except Broken as broken:
            self.fail(broken.code, broken.reason)

    def _frames(self, data: bytes) -> Iterator[tuple[int, bool, bytes]]:
        return self._reader.read(data)

    # -- what a FramedSocket needs -----------------------------------------------------------------

    def write(self, data: bytes) -> None:
        with contextlib.suppress(StreamClosedError):
            for start in range(0, len(data), CHUNK):  # what is unsent is counted piece by piece
                self._write_piece(data[start : start + CHUNK])

    def _write_piece(self, piece: bytes) -> None:
        taken = self._stream.write(piece)
        if self._stream.writing():  # the system did not take it all
            size = len(piece)  # not the piece itself: the callback would keep a second copy of what waits
            self._unsent += size
            taken.add_done_callback(lambda _: self._taken(size))

    def _taken(self, size: int) -> None:
        self._unsent -= size

    def unsent(self) -> int:
        return self._unsent

    def end(self) -> None:
        self._when_sent(self.abort)

    def end_sending(self) -> None:
        self._when_sent(self._shut_down)

    def _when_sent(self, then: Callable[[], None]) -> None:
        with contextlib.suppress(StreamClosedError):
            self._stream.write(b"").add_done_callback(lambda _: then())

    def _shut_down(self) -> None:
        with contextlib.suppress(OSError):
            if not self._stream.closed():
                self._stream.socket.shutdown(socket.SHUT_WR)  # TLS ends with it; what still comes is dropped unread

    def abort(self) -> None:
        self._stream.close()
