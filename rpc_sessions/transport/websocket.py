"""A WebSocket connection, whoever frames its messages: its limits, its session, its end.

The transport beneath is a ``Socket``; it calls ``received`` for each message and ``closed`` once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Protocol

from rpc_sessions.request import Peer, log
from rpc_sessions.transport.context import Context

GOING_AWAY = 1001
TOO_BIG = 1009
SLOW_CONSUMER = 4008
IDLE = 4408


class Socket(Protocol):
    """What a WebSocket transport offers."""

    def send(self, texts: list[bytes]) -> int:
        """Send text messages, as one write. How many bytes the client has not taken yet."""

    def ping(self) -> None:
        """Send a ping."""

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; what was sent before still goes out."""

    def abort(self) -> None:
        """Drop the connection, without a word."""


class Connection(Peer):
    """One open WebSocket."""

    transport = "websocket"

    def __init__(self, context: Context, headers: Mapping[str, str], client_ip: str) -> None:
        super().__init__(headers, client_ip, secrets.token_urlsafe(12))
        self.heard = self.pinged = 0.0
        self._context = context
        self._socket: Socket | None = None
        self._unsent: list[bytes] = []
        self._end: tuple[int, str] | None = None
        self.reply_limit = context.options.send_queue

    def opened(self, socket: Socket) -> None:
        """The handshake is over."""
        self._socket = socket
        self.heard = asyncio.get_running_loop().time()
        self._context.connections[self.socket_id] = self
        self._flush()  # what was published to its session during the handshake
        if self._end:  # the session ended, or the server began to stop, during the handshake
            socket.close(*self._end)

    def received(self, text: str | bytes) -> None:
        """A message came in."""
        self.heard = asyncio.get_running_loop().time()
        if self.gone:
            return
        if _longer(text, self._context.options.message_limit):
            self.close(TOO_BIG, "message too big")
        else:
            self._context.dispatcher.receive(text, self)

    def pong(self) -> None:
        """A pong came in: somebody is there."""
        self.heard = asyncio.get_running_loop().time()

    def closed(self) -> None:
        """The connection is gone: its calls end, and it speaks for no session any more."""
        self.gone = True
        self._unsent.clear()
        self._context.connections.pop(self.socket_id, None)
        self._context.dispatcher.hang_up(self)
        self._context.sessions.claims.leave(self)

    def send(self, text: bytes) -> None:
        """Queue a text. What is queued in one turn of the loop leaves in one write."""
        if self.gone:
            return
        self._unsent.append(text)
        if len(self._unsent) == 1:
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        if not self._unsent or self._socket is None:
            return
        texts, self._unsent = self._unsent, []
        # Checked where it can overflow: after a write that the kernel did not take whole.
        if self._socket.send(texts) > self._context.options.send_queue:
            log.warning("closed a slow consumer: %d bytes unread", self._context.options.send_queue)
            self.close(SLOW_CONSUMER, "slow consumer")

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then close. Nothing is answered any more, so the running calls end."""
        if self.gone:
            return
        if code != SLOW_CONSUMER:
            self._flush()
        if self.gone:
            return  # by the flush
        self.gone = True
        self._end = (code, reason)
        if self._socket is not None:
            self._socket.close(code, reason)
        self._context.dispatcher.hang_up(self)

    def abort(self) -> None:
        """Drop the connection: its client has been told, and does not go."""
        if self._socket is not None:
            self._socket.abort()

    def keep_alive(self, now: float, interval: float, timeout: float) -> None:
        """Ping a client that was not heard for ``interval`` seconds; close when it stays silent."""
        silent = now - self.heard
        if self._socket is None or silent < interval:
            return
        if self.pinged > self.heard:
            if now - self.pinged >= timeout:
                self.close(IDLE, "no pong")
        else:
            self.pinged = now
            self._socket.ping()


def _longer(text: str | bytes, limit: int) -> bool:
    """Whether a message is over the limit in bytes, without encoding the many that are far from it."""
    if len(text) > limit or isinstance(text, bytes):
        return len(text) > limit
    return len(text) * 4 > limit and len(text.encode("utf-8", "surrogatepass")) > limit
