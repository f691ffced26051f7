"""The opening handshake of a WebSocket, and how Tornado gives the connection up.

https://www.rfc-editor.org/rfc/rfc6455#section-4.2
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from socket import socket

import tornado.web
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream, StreamClosedError

from rpc_sessions.transport.deflate_offer import Deflate

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MUCH = 1024 * 1024  # more than Tornado reads ahead of a request


def refuse(handler: tornado.web.RequestHandler) -> bool:
    """Whether the request is no handshake of a WebSocket; then it is answered."""
    problem = _problem(handler.request)
    if problem:
        status, text = problem
        handler.set_status(status)
        if status == 426:
            handler.set_header("Sec-WebSocket-Version", "13")
        handler.finish(text)
    return problem is not None


def _problem(request: HTTPServerRequest) -> tuple[int, str] | None:
    headers = request.headers
    if request.version != "HTTP/1.1":
        return 400, "a WebSocket needs HTTP/1.1"
    if headers.get("Upgrade", "").lower() != "websocket":
        return 400, "this is the place of a WebSocket, or of a POST: Upgrade must be websocket"
    if "upgrade" not in [token.strip().lower() for token in headers.get("Connection", "").split(",")]:
        return 400, "Connection must be Upgrade"
    if headers.get("Sec-WebSocket-Version") != "13":
        return 426, "Sec-WebSocket-Version must be 13"
    if not _is_key(headers.get("Sec-WebSocket-Key", "")):
        return 400, "Sec-WebSocket-Key must be 16 bytes, in base64"
    return None


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def accept(handler: tornado.web.RequestHandler, deflate: Deflate | None) -> IOStream:
    """Answer 101, and take the stream from Tornado. deflate: the one extension to agree to. No subprotocol ever is."""
    key = handler.request.headers["Sec-WebSocket-Key"].strip().encode()
    handler.set_status(101)
    handler.clear_header("Content-Type")
    handler.set_header("Upgrade", "websocket")
    handler.set_header("Connection", "Upgrade")
    handler.set_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode())
    if deflate:
        handler.set_header("Sec-WebSocket-Extensions", deflate.answer)
    handler.finish()
    return handler.detach()


async def take_socket(stream: IOStream) -> tuple[socket, bytes]:
    """The socket of a stream, and what the stream has read from it that nobody has seen. The stream is closed.

    StreamClosedError or OSError if the client has gone.
    """
    if stream.writing():
        await stream.write(b"")  # done when all before it is sent
    if stream.closed():
        raise StreamClosedError
    sock = stream.socket.dup()
    try:
        # What the stream holds is given at once. If it holds nothing, closing it ends the read, which took nothing.
        reading = asyncio.ensure_future(stream.read_bytes(_MUCH, partial=True))
        stream.close()
    except BaseException:
        sock.close()
        raise
    return sock, b"" if reading.exception() else reading.result()
