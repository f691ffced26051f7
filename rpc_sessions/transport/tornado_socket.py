"""``/rpc``: GET upgrades to Tornado's own WebSocket, POST takes the same JSON-RPC over HTTP."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import tornado.web
import tornado.websocket
from tornado.iostream import StreamClosedError

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.transport.context import Context
from rpc_sessions.transport.cors import check_origin, preflight
from rpc_sessions.transport.post import HTTPPeer, answer_post, too_large
from rpc_sessions.transport.websocket import Connection

if TYPE_CHECKING:
    from tornado.iostream import IOStream

# Messages somewhat over the limit are read, so that a proper 1009 can be sent; Tornado cuts longer ones off.
_MARGIN = 1024 * 1024
# Up to here one write is cheaper than several; above, what is unsent is better counted text by text.
_JOINED = 64 * 1024


@tornado.web.stream_request_body
class RPCHandler(tornado.websocket.WebSocketHandler):
    """The one path of the protocol."""

    def initialize(self, context: Context) -> None:
        self.context = context
        self.body = bytearray()
        self.connection: Connection | None = None
        self.poster: HTTPPeer | None = None
        self.unsent = 0

    # -- the handshake -----------------------------------------------------------------------------

    async def prepare(self) -> None:
        check_origin(self, self.context)
        self.context.timers.start(self.context)
        if self.request.method == "GET":
            await self._connect()

    async def _connect(self) -> None:
        address, https = self.context.client(self.request)
        self.connection = Connection(self.context, self.request.headers, address)
        if not self.context.uses_sessions or self.request.headers.get("Upgrade", "").lower() != "websocket":
            return
        sessions = self.context.sessions
        try:
            fresh = await sessions.connect(self.connection, self.request.headers.get("Cookie", ""))
        except StoreUnavailable as error:
            raise tornado.web.HTTPError(503, str(error)) from error
        if fresh and self.connection.claim:
            self.add_header("Set-Cookie", sessions.cookie_for(self.connection.claim, https=https))

    def check_origin(self, origin: str) -> bool:
        return True  # prepare() has checked, more strictly, and before any session was read

    def check_trusted_origin(self, origin: str) -> bool:
        return True  # the same, for POST

    def get_compression_options(self) -> None:
        """None: no permessage-deflate. It costs 300 KiB a connection, and calls are small."""

    @property
    def max_message_size(self) -> int:
        return self.context.options.message_limit + _MARGIN

    @property
    def ping_interval(self) -> float | None:
        return None  # timers.py pings all connections from one timer

    # -- the socket --------------------------------------------------------------------------------

    def open(self, *args: str, **kwargs: str) -> None:
        assert self.connection is not None
        assert self.ws_connection is not None
        stream: IOStream = self.ws_connection.stream  # type: ignore[assignment]  # it is set once it is open
        stream.set_nodelay(True)
        self.stream = stream
        self.connection.opened(self)

    def on_message(self, message: str | bytes) -> None:
        assert self.connection is not None
        self.connection.received(message)

    def on_pong(self, data: bytes) -> None:
        if self.connection is not None:
            self.connection.pong()

    def on_close(self) -> None:
        if self.connection is not None:
            self.connection.closed()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self.connection is not None:  # gone before it was open, too
            self.connection.closed()
        if self.poster is not None:
            self.context.dispatcher.hang_up(self.poster)

    def on_finish(self) -> None:
        self.context.requests.discard(self)
        # A handshake that was refused after its claim was made.
        if self.connection is not None and self.get_status() != 101:
            self.connection.closed()

    def send(self, texts: list[bytes]) -> int:
        """See Socket. Frames are written here, not by ``write_message``, which makes a task for each."""
        if len(texts) > 1 and sum(map(len, texts)) > _JOINED:
            return max([self.send([text]) for text in texts])
        data = b"".join([part for text in texts for part in (_header(len(text)), text)])
        try:
            taken = self.stream.write(data)
        except StreamClosedError:
            return 0
        if self.stream.writing():  # the system did not take it all
            size = len(data)  # not the data itself: the callback would keep a second copy of what waits
            self.unsent += size
            taken.add_done_callback(lambda _: self._taken(size))
        return self.unsent

    def _taken(self, size: int) -> None:
        self.unsent -= size

    def ping(self, data: str | bytes = b"") -> None:
        if self.ws_connection is not None and not self.ws_connection.is_closing():
            super().ping(data)

    def abort(self) -> None:
        self.stream.close()

    # -- POST --------------------------------------------------------------------------------------

    def data_received(self, chunk: bytes) -> None:
        # The rest of a body that is too large is read and dropped, so that the client sees the answer.
        if len(self.body) <= self.context.options.message_limit:
            self.body += chunk

    def options(self) -> None:
        preflight(self)

    async def post(self) -> None:
        self.context.requests.add(self)
        if len(self.body) > self.context.options.message_limit:
            too_large(self)
        else:
            self.poster = HTTPPeer(self.context, self)
            await answer_post(self, self.context, bytes(self.body), self.poster)


def _header(size: int) -> bytes:
    """The header of an unmasked text frame (RFC 6455, section 5.2)."""
    if size < 126:
        return struct.pack("!BB", 0x81, size)
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size)
    return struct.pack("!BBQ", 0x81, 127, size)
