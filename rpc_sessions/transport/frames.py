"""The frames of a WebSocket (RFC 6455, section 5): written by a server, and read from a client's bytes.

https://www.rfc-editor.org/rfc/rfc6455#section-5
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
OPCODES = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})

PROTOCOL_ERROR, NO_CODE, BAD_DATA, TOO_BIG, INTERNAL_ERROR = 1002, 1005, 1007, 1009, 1011
# What a client may send; 3000 to 4999 beside these (section 7.4, and IANA's registry for 1012 to 1014).
_CLOSE_CODES = {1000, 1001, 1002, 1003, *range(1007, 1015)}


class Broken(Exception):
    """What came breaks the protocol. code, reason: to close the connection with. No reason: the code's own."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def write_frame(opcode: int, payload: bytes) -> bytes:
    """A whole message, or a control frame, from the server. opcode: with the reserved bits that are to be set."""
    return _header(opcode, len(payload)) + payload


def write_texts(texts: Sequence[bytes]) -> bytes:
    """Text messages, one after the other."""
    if len(texts) == 1:
        return write_frame(TEXT, texts[0])
    return b"".join([_SHORT[size] + text if (size := len(text)) < 126 else write_frame(TEXT, text) for text in texts])


def write_close(code: int, reason: str) -> bytes:
    """A Close frame. reason: what is too long for it is cut off. NO_CODE: one that says nothing."""
    if code == NO_CODE:
        return write_frame(CLOSE, b"")
    text = reason.encode()[:123].decode(errors="ignore").encode()  # a control frame holds 125 bytes
    return write_frame(CLOSE, struct.pack("!H", code) + text)


def _header(opcode: int, size: int) -> bytes:
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size)
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size)
    return struct.pack("!BBQ", 0x80 | opcode, 127, size)


_SHORT = [_header(TEXT, size) for size in range(126)]


def read_close(payload: bytes) -> int:
    """The code in the payload of a client's Close frame, NO_CODE if there is none. Broken if it is no good."""
    if not payload:
        return NO_CODE
    code = int.from_bytes(payload[:2], "big")  # half a code is none of them
    if not (code in _CLOSE_CODES or 3000 <= code < 5000):
        raise Broken(PROTOCOL_ERROR)
    check_utf8(payload[2:])
    return code


def check_utf8(text: bytes) -> None:
    """Broken unless the bytes are UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        raise Broken(BAD_DATA) from None


class FrameReader:
    """Frames out of a client's bytes, in pure Python. limit: the longest payload of one, in bytes.

    opcodes: those that may come, each with the reserved bits that may be set beside it.
    """

    def __init__(self, limit: int, opcodes: Collection[int] = OPCODES) -> None:
        self._limit = limit
        self._opcodes = opcodes
        self._unread = bytearray()

    def read(self, data: bytes) -> Iterator[tuple[int, bool, bytes]]:
        """The frames that are whole by now: opcode, whether it is the last of its message, payload.

        Broken, after the frames before it, at one that breaks the protocol or is too long, mostly as soon as
        its header is there.
        """
        self._unread += data
        while found := self._next():
            first, start, size = found
            end = start + 4 + size
            if len(self._unread) < end:
                break
            opcode, payload = first & 0x7F, _unmask(self._unread[start:end])
            if opcode not in self._opcodes:  # a reserved bit that nobody has agreed on
                raise Broken(PROTOCOL_ERROR)
            del self._unread[:end]
            yield opcode, first >= 0x80, payload

    def _next(self) -> tuple[int, int, int] | None:
        """The first byte of the next frame, where its mask begins, and how long its payload is."""
        if len(self._unread) < 2:
            return None
        first, second = self._unread[0], self._unread[1]
        opcode, size = first & 0x0F, second & 0x7F
        control = opcode >= CLOSE
        # An unknown opcode, no mask, a control frame in parts or of more than 125 bytes.
        if opcode not in OPCODES or not second & 0x80 or (control and (size > 125 or first < 0x80)):
            raise Broken(PROTOCOL_ERROR)
        start = 2
        if size > 125:
            start += 2 if size == 126 else 8
            if len(self._unread) < start:
                return None
            size = _long_size(self._unread[2:start])
        if size > self._limit and not control:
            raise Broken(TOO_BIG)
        return first, start, size


def _long_size(field: bytearray) -> int:
    """A length that takes 2 or 8 bytes. Broken if fewer would have done, or its highest bit is set."""
    size = int.from_bytes(field, "big")
    if size < (126 if len(field) == 2 else 65536) or size >> 63:
        raise Broken(PROTOCOL_ERROR)
    return size


def _unmask(masked: bytearray) -> bytes:
    """The payload behind its mask (section 5.3). One operation on one large number is what Python does fast."""
    mask, payload = masked[:4], masked[4:]
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")
