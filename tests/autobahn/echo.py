"""A server that sends every message back, on each transport: python -m tests.autobahn.echo PORT fast|tornado|deflate"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import tornado.web
from tornado.iostream import IOStream

from rpc_sessions.transport.choice import socket_for
from rpc_sessions.transport.deflate_offer import choose
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
        self.queue: list[tuple[int, bytes]] = []

    def opened(self, socket: FramedSocket) -> None:
        self.socket = socket

    def flush(self) -> None:
        for opcode, payload in self.queue:
            if opcode == TEXT:
                self.socket.send([payload])
            else:
                self.socket.write(write_frame(opcode, payload))
        self.queue.clear()

    def close(self, code: int, reason: str) -> None:
        if not self.gone:
            self.flush()
            self.gone = True
            self.socket.close(code, reason)

    def received(self, payload: bytes) -> None:
        self.queue.append((TEXT, payload))

    def ignore(self, *_: object) -> None: ...

    too_slow = pong = closed = ignore


def send_back(self: FramedSocket, opcode: int, payload: bytes) -> None:
    """In the place of FramedSocket's: send a message back as the kind it is. A Connection sends texts only."""
    if opcode == TEXT:
        check_utf8(payload)
    cast("Mirror", self.connection).queue.append((opcode, payload))


class Handler(tornado.web.RequestHandler):
    def initialize(self, transport: str) -> None:
        self.transport = transport

    async def get(self) -> None:
        if not refuse(self):
            offered = self.request.headers.get("Sec-WebSocket-Extensions", "")
            deflate = choose(offered) if self.transport == "deflate" else None
            stream: IOStream = accept(self, deflate)
            make = socket_for(stream, self.transport, deflate)
            await make(cast("Connection", Mirror()), LIMIT).open(stream)


async def main(port: int, transport: str) -> None:
    tornado.web.Application([("/", Handler, {"transport": transport})]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    FramedSocket._message = send_back  # type: ignore[method-assign]  # the one thing that is not as in a server
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
