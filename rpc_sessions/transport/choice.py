"""Which transport a WebSocket gets: ``options.transport``, and what there is."""

from __future__ import annotations

from tornado.iostream import IOStream

from rpc_sessions.errors import ConfigError
from rpc_sessions.transport.tornado_socket import TornadoSocket

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


def socket_for(stream: IOStream, transport: str) -> type[FastSocket] | type[TornadoSocket]:
    """The kind of socket for a stream. TLS stays with Tornado."""
    return TornadoSocket if transport == "tornado" or MISSING or type(stream) is not IOStream else FastSocket
