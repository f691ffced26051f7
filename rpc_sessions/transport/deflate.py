"""The messages of permessage-deflate (RFC 7692, section 7.2): packed, and unpacked within a limit.

Each message stands alone: nothing of it is kept for the next one, so a connection that is silent costs no window,
and a secret in one message says nothing by the size of another.

https://www.rfc-editor.org/rfc/rfc7692#section-7.2
"""

from __future__ import annotations

import zlib

from rpc_sessions.transport.frames import BAD_DATA, TOO_BIG, Broken

WINDOW_BITS = 15  # the largest window, 32 KiB
_LEVEL = 1  # a third of the time that zlib's usual 6 takes: the loop waits meanwhile
_FLUSHED = b"\x00\x00\xff\xff"  # how a flush ends; it is not sent
_END = _FLUSHED + b"\x01\x00\x00\xff\xff"  # and an empty last block, so that zlib says whether it got there
_STREAMS = 64  # in one message. Beginning one takes time, and two bytes are enough for it.


def deflate(text: bytes, window_bits: int) -> bytes:
    """The payload of a compressed message. window_bits: 9 to 15, the base-2 logarithm of the window."""
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, -window_bits)
    return (stream.compress(text) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_FLUSHED)


def inflate(payload: bytes, limit: int) -> bytes:
    """The message in a compressed payload. limit: of its bytes; what is over it is not unpacked.

    Broken: it is longer than the limit, or no DEFLATE data, or ends within a block.
    """
    whole, rest = b"", payload + _END
    for _ in range(_STREAMS):
        # A block marked as the last one ends a stream. What follows is another, and may refer to what came before.
        stream = zlib.decompressobj(-WINDOW_BITS, whole[-(1 << WINDOW_BITS) :])
        try:
            whole += stream.decompress(rest, limit + 1 - len(whole))
        except zlib.error:
            break
        if len(whole) > limit:
            raise Broken(TOO_BIG)
        rest = stream.unused_data
        if not stream.eof:
            break
        if rest in (b"", _END):  # the second: after a last block nothing needs to be flushed, and some do not
            return whole
    raise Broken(BAD_DATA, "not DEFLATE data")
