"""The transport of a connection that has agreed on permessage-deflate: Tornado's, with messages packed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from rpc_sessions.transport.deflate import deflate, inflate
from rpc_sessions.transport.deflate_offer import Deflate
from rpc_sessions.transport.frames import BINARY, OPCODES, TEXT, FrameReader, write_frame
from rpc_sessions.transport.tornado_socket import TornadoSocket
from rpc_sessions.transport.websocket import Connection

COMPRESSED = 0x40  # RSV1, on the first frame of a message
_LEAST = 1024  # bytes of a text that is worth packing
_TURN = 32 * 1024  # bytes to unpack before others get their turn: as they came, they may be a few hundred
_EACH = 256  # what a message counts besides its bytes: one that unpacks to nothing takes its time, too
_SHARED = 16  # texts
_OPCODES = OPCODES | {COMPRESSED | TEXT, COMPRESSED | BINARY}


class DeflateSocket(TornadoSocket):
    """A TornadoSocket that packs and unpacks messages. The limit is of a message as it is sent, and unpacked."""

    def __init__(self, connection: Connection, limit: int, agreed: Deflate) -> None:
        super().__init__(connection, limit)
        self._reader = FrameReader(limit, _OPCODES)
        self._window_bits = agreed.window_bits
        self._unpacked = 0  # bytes, since others had their turn

    # -- what the client sends ---------------------------------------------------------------------

    async def _some(self) -> bytes:
        if self._unpacked < _TURN:
            return await super()._some()
        self._unpacked = 0
        await asyncio.sleep(0)
        return b""  # the reader still has what comes next

    def _frames(self, data: bytes) -> Iterator[tuple[int, bool, bytes]]:
        for frame in super()._frames(data):
            yield frame
            if self._unpacked >= _TURN:
                break

    def _message(self, opcode: int, payload: bytes) -> None:
        if self.connection.gone:  # nobody would hear of it
            return
        if opcode & COMPRESSED:
            payload = inflate(payload, self.limit)
            self._unpacked += len(payload) + _EACH
        super()._message(opcode & ~COMPRESSED, payload)

    # -- what it is sent ---------------------------------------------------------------------------

    def send(self, texts: list[bytes]) -> int:
        self.write(b"".join([self._packed(text) for text in texts]))
        return self.unsent()

    def _packed(self, text: bytes) -> bytes:
        if len(text) >= _LEAST:
            payload = _shared(text, self._window_bits)
            if len(payload) < len(text):
                return write_frame(COMPRESSED | TEXT, payload)
        return write_frame(TEXT, text)


_payloads: dict[tuple[int, int], tuple[bytes, bytes]] = {}  # a text, and what it is packed to


def _shared(text: bytes, window_bits: int) -> bytes:
    """The payload of a text, packed once for all the connections that are sent it in one turn of the loop.

    It is known by being the same object, which is what a publish sends: equal texts of others are not looked for.
    """
    key = id(text), window_bits  # of a text that is kept as long as the key: no other can have its id
    found = _payloads.get(key)
    if found is None:
        if len(_payloads) >= _SHARED:  # answers, of many connections: their texts must not pile up
            _payloads.clear()
        found = _payloads[key] = text, deflate(text, window_bits)
        asyncio.get_running_loop().call_soon(_payloads.pop, key, None)
    return found[1]
