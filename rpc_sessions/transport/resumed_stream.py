"""A connection of the loop's own, as a stream of Tornado's from now on."""

from __future__ import annotations

import asyncio
from socket import socket

from tornado.iostream import IOStream

_AT_ONCE = 64 * 1024  # bytes of a read, as Tornado's


class ResumedStream(IOStream):
    """What a transport was. The caller closes that: it sends what is unsent, and then this one writes.

    early: what was read from it that nobody has seen. Closed if the client has gone. OSError: too many open files.
    """

    def __init__(self, before: asyncio.Transport, early: bytes) -> None:
        self._before = before
        self._early = early
        gone = before.is_closing()  # its descriptor may be another's by now
        sock: socket = socket() if gone else before.get_extra_info("socket").dup()
        # All of it in one read: the loop does not wake a stream for what the socket no longer holds.
        super().__init__(sock, read_chunk_size=max(_AT_ONCE, len(early)))
        if gone:
            self.close()

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        if not self._early:
            return super().read_from_fd(buf)
        some, self._early = self._early[: len(buf)], self._early[len(buf) :]
        buf[: len(some)] = some
        self.read_chunk_size = _AT_ONCE
        return len(some)

    def write_to_fd(self, data: memoryview) -> int:
        return 0 if self._before.get_write_buffer_size() else super().write_to_fd(data)
