"""``/rpc``: GET upgrades to a WebSocket, POST takes the same JSON-RPC over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import tornado.web

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.transport.choice import socket_for
from rpc_sessions.transport.context import Context
from rpc_sessions.transport.cors import check_origin, preflight
from rpc_sessions.transport.deflate_offer import choose
from rpc_sessions.transport.post import HTTPPeer, answer_post, too_large
from rpc_sessions.transport.upgrade import accept, refuse
from rpc_sessions.transport.websocket import Connection


@tornado.web.stream_request_body
class RPCHandler(tornado.web.RequestHandler):
    """The one path of the protocol."""

    def initialize(self, context: Context) -> None:
        self.context = context
        self.body = bytearray()
        self.connection: Connection | None = None
        self.poster: HTTPPeer | None = None

    async def prepare(self) -> None:
        check_origin(self, self.context)
        self.context.timers.start(self.context)
        if self.request.method == "GET" and not refuse(self):
            await self._connect()

    def check_trusted_origin(self, origin: str) -> bool:
        return True  # prepare() has checked, more strictly

    # -- GET ---------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        address, https = self.context.client(self.request)
        self.connection = Connection(self.context, self.request.headers, address)
        self.connection.https = https
        if not self.context.uses_sessions:
            return
        sessions = self.context.sessions
        try:
            fresh = await sessions.connect(self.connection, self.request.headers.get("Cookie", ""))
        except StoreUnavailable as error:
            raise tornado.web.HTTPError(503, "%s: %s", error, error.cause) from error
        if fresh and self.connection.claim:
            self.add_header("Set-Cookie", sessions.cookie_for(self.connection.claim, https=https))

    async def get(self) -> None:
        assert self.connection is not None
        options = self.context.options
        deflate = choose(self.request.headers.get("Sec-WebSocket-Extensions", "")) if options.compression else None
        stream = accept(self, deflate)
        if stream.closed():
            self.connection.closed()
        else:
            make = socket_for(stream, options.transport, deflate)
            await make(self.connection, options.message_limit).open(stream)

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

    # -- the end -----------------------------------------------------------------------------------

    def on_connection_close(self) -> None:
        if self.connection is not None:  # the client has gone, or was refused, before it was open
            self.connection.closed()
        if self.poster is not None:
            self.context.dispatcher.hang_up(self.poster)

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> asyncio.Future[None]:
        return self.context.until_sent(self, super().finish, chunk)
