"""The transport of a connection that has agreed on permessage-deflate: Tornado's, with messages packed."""

from __future__ import annotations

from rpc_sessions.transport.deflate import deflate, inflate
from rpc_sessions.transport.deflate_offer import Deflate
from rpc_sessions.transport.frames import BINARY, OPCODES, TEXT, FrameReader, write_frame
from rpc_sessions.transport.tornado_socket import TornadoSocket
from rpc_sessions.transport.websocket import Connection

COMPRESSED = 0x40  # RSV1, on the first frame of a message
_LEAST = 1024  # bytes of a text that is worth packing
_OPCODES = OPCODES | {COMPRESSED | TEXT, COMPRESSED | BINARY}


class DeflateSocket(TornadoSocket):
    """A TornadoSocket that packs and unpacks messages. The limit is of a message as it is sent, and unpacked."""

    # A hundred bytes may unpack to a message as large as the limit: less of them is read before others get their turn.
    at_once = 8 * 1024

    def __init__(self, connection: Connection, limit: int, agreed: Deflate) -> None:
        super().__init__(connection, limit)
        self._reader = FrameReader(limit, _OPCODES)
        self._window_bits = agreed.window_bits

    def send(self, texts: list[bytes]) -> int:
        self.write(b"".join([self._packed(text) for text in texts]))
        return self.unsent()

    def _packed(self, text: bytes) -> bytes:
        if len(text) >= _LEAST:
            payload = deflate(text, self._window_bits)
            if len(payload) < len(text):
                return write_frame(COMPRESSED | TEXT, payload)
        return write_frame(TEXT, text)

    def _message(self, opcode: int, payload: bytes) -> None:
        if opcode & COMPRESSED:
            payload = inflate(payload, self.limit)
        super()._message(opcode & ~COMPRESSED, payload)
