"""The reply to a request that fast_http.py has read: HTTP/1.1, to be followed by others on the same connection.

It does as Tornado's HTTP1Connection, in what handlers see of it and in what is sent.
https://www.rfc-editor.org/rfc/rfc9112#section-6
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tornado.escape import native_str
from tornado.http1connection import parse_int
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPOutputError,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream

if TYPE_CHECKING:
    from rpc_sessions.transport.fast_http import Visit
    from rpc_sessions.transport.fast_request import Client


class FastReply(HTTPConnection):
    """What a handler of Tornado's sees of the connection."""

    preparing = False  # while prepare() runs, of a handler that takes the body in pieces
    finished = False
    _left: int | None = None  # bytes of the body that are still to come, if that was said
    _chunked = False
    _close_callback: Callable[[], None] | None = None

    def __init__(self, visit: Visit, client: Client) -> None:
        self.context = client
        self.stream = visit  # as HTTP1Connection's: handlers ask whether it is closed()

    # -- the request -------------------------------------------------------------------------------

    def set_max_body_size(self, max_body_size: int) -> None:
        """Of a GET without a body there is none to limit."""

    def set_body_timeout(self, timeout: float) -> None:
        """Nor to wait for."""

    def prepared(self, delegate: HTTPMessageDelegate) -> None:
        """prepare() has ended. If it has answered, Tornado ends the connection, and tells the handler."""
        self.preparing = False
        if self.finished:
            delegate.on_connection_close()
            return
        delegate.finish()
        if self.stream.closed():
            asyncio.get_running_loop().call_soon(self.lost)  # when the handler has gone on: not before its method runs

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """callback: called if the client goes before the reply is complete."""
        self._close_callback = callback

    def lost(self) -> None:
        """The client has gone. The handler hears of it once."""
        if self.preparing:
            return
        callback, self._close_callback = self._close_callback, None
        if callback:
            callback()

    # -- the reply ---------------------------------------------------------------------------------

    def write_headers(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> asyncio.Future[None]:
        """Begin the reply. ValueError if a header has a line break in it."""
        code = int(start_line[1])
        self._frame(code, headers)
        reason = start_line[2].encode().decode("latin1")  # UTF-8, as Tornado's
        lines = [f"HTTP/1.1 {code} {reason}", *[f"{name}: {native_str(value)}" for name, value in headers.get_all()]]
        text = "\r\n".join(lines)
        if text.count("\n") >= len(lines) or text.count("\r") >= len(lines):
            raise ValueError(f"Illegal characters (CR or LF) in header: {lines!r}")
        return self.stream.write(b"%b\r\n\r\n%b" % (text.encode("latin1"), self._part(chunk or b"")))

    def _frame(self, code: int, headers: HTTPHeaders) -> None:
        """How the client is to know where the body ends."""
        length = headers.get("Content-Length")
        if code == 304:
            self._left = 0  # whatever it says, it has none
        elif length is not None:
            self._left = parse_int(length)
        elif code != 204 and code >= 200:
            self._chunked = True
            headers["Transfer-Encoding"] = "chunked"

    def _part(self, chunk: bytes) -> bytes:
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0 and not self.stream.closed():
                self.stream.close()
                raise HTTPOutputError("Tried to write more data than Content-Length")
        return b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked and chunk else chunk

    def write(self, chunk: bytes) -> asyncio.Future[None]:
        """Send more of the body."""
        return self.stream.write(self._part(chunk))

    def finish(self) -> None:
        """The body is complete."""
        if self._left and not self.stream.closed():
            self.stream.close()
            raise HTTPOutputError(f"Tried to write {self._left} bytes less than Content-Length")
        if self._chunked:
            self.stream.write(b"0\r\n\r\n")
        self._close_callback = None
        self.finished = True
        if self.preparing:
            self.stream.end()
        self.stream.finished()

    def detach(self) -> IOStream:
        """Take the connection away from HTTP."""
        self._close_callback = None
        return self.stream.take()

    def close(self) -> None:
        """End the connection; nobody is told."""
        self._close_callback = None
        self.stream.close()
