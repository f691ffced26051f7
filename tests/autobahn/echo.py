"""A server that sends every message back, on each transport: python -m tests.autobahn.echo PORT fast|tornado"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import tornado.web
from tornado.iostream import IOStream

from rpc_sessions.transport.choice import socket_for
from rpc_sessions.transport.framed_socket import FramedSocket
from rpc_sessions.transport.frames import TEXT, check_utf8, write_frame
from rpc_sessions.transport.upgrade import accept, refuse
from rpc_sessions.transport.websocket import Connection

LIMIT = 32 * 1024 * 1024  # the suite sends messages of 16 MiB


class Mirror:
    """In the place of a Connection: what is queued leaves with the next flush, as there."""

    gone = False
    reply_limit = sys.maxsize
    socket: FramedSocket

    def __init__(self) -> None:
        self.queue: list[bytes] = []

    def opened(self, socket: FramedSocket) -> None:
        self.socket = socket

    def flush(self) -> None:
        if self.queue:
            self.socket.write(b"".join(self.queue))
            self.queue.clear()

    def close(self, code: int, reason: str) -> None:
        if not self.gone:
            self.flush()
            self.gone = True
            self.socket.close(code, reason)

    def received(self, payload: bytes) -> None:
        self.queue.append(write_frame(TEXT, payload))

    def ignore(self, *_: object) -> None: ...

    too_slow = pong = closed = ignore


def echoing(kind: type[FramedSocket]) -> type[FramedSocket]:
    """The transport, with messages sent back as the kind they are: a Connection sends texts only."""

    class Echo(kind):  # type: ignore[misc, valid-type]  # a class made for each transport
        def _message(self, opcode: int, payload: bytes) -> None:
            if opcode == TEXT:
                check_utf8(payload)
            self.connection.queue.append(write_frame(opcode, payload))

    return Echo


class Handler(tornado.web.RequestHandler):
    def initialize(self, transport: str) -> None:
        self.transport = transport

    async def get(self) -> None:
        if not refuse(self):
            stream: IOStream = accept(self)
            kind = echoing(socket_for(stream, self.transport))
            await kind(cast("Connection", Mirror()), LIMIT).open(stream)  # type: ignore[attr-defined]  # all of them do


async def main(port: int, transport: str) -> None:
    tornado.web.Application([("/", Handler, {"transport": transport})]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
