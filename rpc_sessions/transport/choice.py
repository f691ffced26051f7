"""Which transport a WebSocket gets: ``options.transport``, and what there is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tornado.iostream import IOStream, SSLIOStream

from rpc_sessions.errors import ConfigError
from rpc_sessions.transport.deflate_offer import Deflate
from rpc_sessions.transport.deflate_socket import DeflateSocket
from rpc_sessions.transport.tornado_socket import TornadoSocket
from rpc_sessions.transport.websocket import Connection

try:
    from rpc_sessions.transport.fast_socket import FastSocket
except ImportError as error:  # no picows here, or one that we do not know
    MISSING: str | None = str(error)
else:
    MISSING = None


def check_transport(transport: str) -> None:
    """ConfigError if ``options.transport`` asks for what there is not."""
    if transport == "fast" and MISSING:
        raise ConfigError(
            f'options.transport = "fast": {MISSING}. pip install "picows>=2.3,<2.4", or leave it at "auto"'
        )


def socket_for(
    stream: IOStream, transport: str, deflate: Deflate | None
) -> Callable[[Connection, int], FastSocket | TornadoSocket]:
    """Makes the socket for a stream, of its connection and its limit. TLS and compression stay with Tornado."""
    if deflate:
        return partial(DeflateSocket, agreed=deflate)
    return TornadoSocket if transport == "tornado" or MISSING or isinstance(stream, SSLIOStream) else FastSocket
