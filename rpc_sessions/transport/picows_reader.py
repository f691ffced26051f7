"""Frames out of a client's bytes by picows, in C. It parses and no more: the stream is ours.

picows makes no parser without a connection, so each gets a handshake to answer and a stream that leads
nowhere. It checks all that RFC 6455 asks of a frame but the reserved bits.

https://picows.readthedocs.io
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from picows import WSAutoPingStrategy, WSFrame, WSListener, WSTransport, WSUpgradeRequest, WSUpgradeResponse
from picows import WSUpgradeResponseWithListener as Answer
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # what ws_create_server makes; untyped
from picows.version import __version__

from rpc_sessions.transport.frames import PROTOCOL_ERROR

if TYPE_CHECKING:
    LoggerAdapter = logging.LoggerAdapter[logging.Logger]
else:
    LoggerAdapter = logging.LoggerAdapter

_BUFFER = 2048  # bytes, the least that picows takes
_READ = 16 * 1024  # bytes; picows doubles its buffer each time it is nearly filled, whatever is in it
_REQUEST = b"GET / HTTP/1.1\r\n\r\n"
# Its headers are those of the request too: picows keeps both, so all connections share them.
_ANSWER = WSUpgradeResponse.create_101_response(
    {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
)
_WHEN_IDLE = WSAutoPingStrategy.PING_WHEN_IDLE


class _Nowhere:
    """A stream, and its socket, for whatever picows would send or close."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self if name == "socket" else default

    def get_write_buffer_size(self) -> int:
        return 1  # so that it is handed what is sent: a socket that is free is written to in C

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *_: object) -> None: ...
    def getsockopt(self, *_: object) -> int:
        return 0

    def write(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class _Quiet(LoggerAdapter):
    """Logs failures of ours. Of what clients do wrong they are told, not the log."""

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if kwargs.get("exc_info"):
            super().log(level, msg, *args, **kwargs)


if not __version__.startswith("2.3."):
    raise ImportError(f"picows 2.3 is needed: what is used here is not all documented, and this is {__version__}")

_NOWHERE = _Nowhere()
_LOG = _Quiet(logging.getLogger("rpc_sessions"), {})


class PicowsReader(WSListener):
    """Calls ``frame`` with each frame (opcode, whether it is the last of its message, payload), ``fail`` with a
    code at what is none. limit: the longest payload of one frame, in bytes.
    """

    __slots__ = ("_fail", "_frame", "_limit", "_picows", "_rest", "_room", "_updated")

    def __init__(self, limit: int, frame: Callable[[int, bool, bytes], None], fail: Callable[[int], None]) -> None:
        self._limit = limit
        self._frame = frame
        self._fail = fail
        self._rest = 0  # bytes of a frame that is not whole yet, or 1 where that is not known
        self._begin()

    def _begin(self) -> None:
        protocol = WSProtocol(
            host_port=None, ws_path=None, is_client_side=False, ws_listener_factory=self._answer,
            logger=_LOG, disconnect_on_exception=True, websocket_handshake_timeout=None, enable_auto_ping=False,
            auto_ping_idle_timeout=None, auto_ping_reply_timeout=None, enable_auto_pong=False, extra_headers=None,
            auto_ping_strategy=_WHEN_IDLE, max_frame_size=self._limit, read_buffer_init_size=_BUFFER,
        )  # fmt: skip
        protocol.connection_made(_NOWHERE)
        self._room, self._updated, self._picows = protocol.get_buffer, protocol.buffer_updated, protocol.transport
        self.read(_REQUEST)
        self._rest = 0

    def _answer(self, request: WSUpgradeRequest) -> Answer:
        request.headers = _ANSWER.headers
        return Answer(_ANSWER, self)

    def buffer(self, sizehint: int = -1) -> memoryview:
        """Where to put what is read next; then say ``filled``."""
        room: memoryview = self._room(-1)
        return room if len(room) <= _READ else room[:_READ]

    def filled(self, size: int) -> None:
        """So many bytes were put into ``buffer``: hand over the frames that are whole by now."""
        self._rest = 1
        self._updated(size)
        if self._picows.is_close_frame_sent:  # nowhere, but this is how it says that it found no frame
            self._fail(int(self._picows.close_handshake.sent.code))

    def read(self, data: bytes) -> None:
        """The same, with bytes that are elsewhere."""
        while data:
            room = self.buffer()
            size = min(len(room), len(data))
            room[:size], data = data[:size], data[size:]
            self.filled(size)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._rest = frame.tail_size
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._fail(PROTOCOL_ERROR)
        else:
            self._frame(frame.msg_type, frame.fin, frame.get_payload_as_bytes())  # type: ignore[arg-type]  # an IntEnum

    def shrink(self) -> None:
        """Give back a buffer that large messages have made large: picows keeps it as it is."""
        if not self._rest and len(self._room(-1)) > _BUFFER:
            self._begin()

    def close(self) -> None:
        """Let go: picows and this know each other."""
        del self._room, self._updated, self._frame, self._fail
