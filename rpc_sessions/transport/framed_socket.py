"""From frames to messages, and the closing handshake: the half of a WebSocket that all transports share.

A transport hands over what it reads: ``frame`` for each frame, ``fail`` for what is none, ``answer`` when it has
nothing more for now, ``lost`` at the end. It writes bytes, and knows how to end the stream.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

from rpc_sessions.request import log
from rpc_sessions.transport.frames import (
    BAD_DATA,
    CLOSE,
    CONTINUATION,
    INTERNAL_ERROR,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    Broken,
    check_utf8,
    read_close,
    write_close,
    write_frame,
    write_texts,
)
from rpc_sessions.transport.websocket import Connection

CLOSING = 5.0  # seconds that a client may take for its part of the closing handshake
REASONS = {
    PROTOCOL_ERROR: "protocol error",
    BAD_DATA: "not UTF-8",
    TOO_BIG: "message too big",
    INTERNAL_ERROR: "internal error",
}


class FramedSocket(ABC):
    """A Socket (see websocket.py) on a stream of bytes. limit: the longest message, in bytes."""

    def __init__(self, connection: Connection, limit: int) -> None:
        self.connection = connection
        self.limit = limit
        self.deaf = False  # the client has said goodbye, or nonsense: what else comes is dropped
        self._opcode = CONTINUATION  # of the message that comes in parts, if one does
        self._parts = bytearray()
        self._pongs: list[bytes] = []  # of one read: they leave in one write
        self._closing: asyncio.TimerHandle | None = None

    # -- what a transport knows how to do ----------------------------------------------------------

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send bytes, or keep them until the client takes them."""

    @abstractmethod
    def unsent(self) -> int:
        """How many bytes the client has not taken yet."""

    @abstractmethod
    def end(self) -> None:
        """End the stream, once all is sent."""

    @abstractmethod
    def end_sending(self) -> None:
        """The same, but go on reading until the client ends it too.

        A stream that is closed with bytes unread is reset, and the client might not see why it was closed.
        """

    @abstractmethod
    def abort(self) -> None:
        """End the stream at once."""

    # -- what the client sends ---------------------------------------------------------------------

    def frame(self, opcode: int, last: bool, payload: bytes) -> None:
        """A frame came in."""
        if self.deaf:
            return
        try:
            if opcode == TEXT and last and not self._opcode and payload.isascii():  # nearly always
                self.connection.received(payload)
            elif opcode & CLOSE:  # the bit that all control frames have
                self._control(opcode, payload)
            elif last and opcode and not self._opcode:
                self._message(opcode, payload)
            else:
                self._part(opcode, last, payload)
        except Broken as broken:
            self.fail(broken.code, broken.reason)
        except Exception:  # a fault of ours: the other connections go on
            log.exception("a WebSocket message failed")
            self.fail(INTERNAL_ERROR)

    def answer(self) -> None:
        """What was read has been handed over: send what it is answered with."""
        if self._pongs:
            self._send_pongs()
        self.connection.flush()

    def fail(self, code: int, reason: str = "") -> None:
        """What came breaks the protocol: say so, and hear no more. reason: in the place of the code's own."""
        if not self.deaf:
            self.deaf = True
            self.connection.close(code, reason or REASONS.get(code, ""))
            self.end_sending()

    def lost(self) -> None:
        """The stream has ended, whoever ended it."""
        if self._closing:
            self._closing.cancel()
        self.connection.closed()

    def _message(self, opcode: int, payload: bytes) -> None:
        if opcode == TEXT:
            check_utf8(payload)
        self.connection.received(payload)

    def _part(self, opcode: int, last: bool, payload: bytes) -> None:
        if bool(opcode) == bool(self._opcode):  # a message within a message, or the continuation of none
            raise Broken(PROTOCOL_ERROR)
        self._opcode = opcode or self._opcode
        self._parts += payload
        if len(self._parts) > self.limit:
            raise Broken(TOO_BIG)
        if last:
            whole, opcode = bytes(self._parts), self._opcode
            self._opcode, self._parts = CONTINUATION, bytearray()
            self._message(opcode, whole)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == PONG:
            self.connection.pong()
        elif opcode == PING:
            self._pongs.append(write_frame(PONG, payload))
        else:
            code = read_close(payload)
            self.deaf = True
            self.connection.close(code, "")  # the same code back, unless ours was first
            self.end()

    def _send_pongs(self) -> None:
        pongs, self._pongs = self._pongs, []
        if not self._closing:
            self.write(b"".join(pongs))
            if self.unsent() > self.connection.reply_limit:
                self.connection.too_slow()

    # -- what a Socket does ------------------------------------------------------------------------

    def send(self, texts: list[bytes]) -> int:
        self.write(write_texts(texts))
        return self.unsent()

    def ping(self) -> None:
        if not self._closing:
            self.write(write_frame(PING, b""))

    def close(self, code: int, reason: str) -> None:
        if self._pongs:
            self._send_pongs()
        self._closing = asyncio.get_running_loop().call_later(CLOSING, self.abort)
        self.write(write_close(code, reason))
