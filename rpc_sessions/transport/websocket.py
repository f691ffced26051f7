"""A WebSocket connection, whoever frames its messages: its queue, its session, its end.

The transport beneath is a ``Socket``. It calls ``opened``, ``received`` for each message, ``flush`` when it has
handed over all it had read, ``pong``, and ``closed`` once.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Protocol

from rpc_sessions.request import Peer, log
from rpc_sessions.transport.context import Context

GOING_AWAY = 1001
SLOW_CONSUMER = 4008
IDLE = 4408
_LARGE = 16 * 1024  # bytes of a text that is worth a write of its own


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
        self._reading = False  # the transport is handing over what it has read, and flushes then
        self._end: tuple[int, str] | None = None
        self._loop = asyncio.get_running_loop()
        self._now = self._loop.time
        self._dispatcher = context.dispatcher
        self.reply_limit = context.options.send_queue

    def opened(self, socket: Socket) -> None:
        """The handshake is over."""
        self._socket = socket
        self.heard = self._now()
        self._context.connections[self.socket_id] = self
        self.flush()  # what was published to its session during the handshake
        if self._end:  # the session ended, or the server began to stop, during the handshake
            socket.close(*self._end)

    def received(self, text: bytes) -> None:
        """A message came in."""
        self.heard = self.spoke = self._now()
        if not self.gone:
            self._reading = True
            self._dispatcher.receive(text, self)

    def pong(self) -> None:
        """A pong came in: somebody is there."""
        self.heard = self._now()

    def closed(self) -> None:
        """The connection is gone: its calls end, and it speaks for no session any more."""
        self.gone = True
        self._socket = None  # the two know each other
        self._unsent.clear()
        self._context.connections.pop(self.socket_id, None)
        self._dispatcher.hang_up(self)
        self._context.sessions.claims.leave(self)

    def send(self, text: bytes) -> None:
        """Queue a text. What is queued in one turn of the loop, or in answer to one read, leaves in one write."""
        if self.gone:
            return
        self._unsent.append(text)
        if self._reading:
            if len(text) > _LARGE:  # a read may hold hundreds of calls: their answers must not pile up
                self.flush()
        elif len(self._unsent) == 1:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Send what is queued."""
        self._reading = False
        if self._unsent and self._socket is not None:
            texts, self._unsent = self._unsent, []
            if self._socket.send(texts) > self.reply_limit:
                self.too_slow()

    def too_slow(self) -> None:
        """Close the connection: its client leaves more than ``reply_limit`` bytes unread."""
        log.warning("closed a slow consumer: %d bytes unread", self.reply_limit)
        self.close(SLOW_CONSUMER, "slow consumer")

    def close(self, code: int, reason: str) -> None:
        """Send what is queued, then close. Nothing is answered any more, so the running calls end."""
        if self.gone:
            return
        if code != SLOW_CONSUMER:
            self.flush()
        if self.gone:
            return  # by the flush
        self.gone = True
        self._end = (code, reason)
        if self._socket is not None:
            self._socket.close(code, reason)
        self._dispatcher.hang_up(self)

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
