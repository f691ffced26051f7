"""The short way into Tornado for what most requests are: a GET without a body, whole in one read, without TLS.

Such a request is read from the loop's own stream, by Tornado's parsers, and served by its Application as any other.
Everything else (a body, an upgrade, several requests at once, what is malformed) is no business of this module:
the connection and the bytes go to Tornado's HTTPServer, which keeps it.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from socket import socket
from typing import cast

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPInputError
from tornado.iostream import StreamClosedError
from tornado.log import app_log

from rpc_sessions.request import log
from rpc_sessions.transport.fast_reply import FastReply
from rpc_sessions.transport.fast_request import MUCH, Client, read_get
from rpc_sessions.transport.resumed_stream import ResumedStream

BACKLOG = 128
IDLE = 3600.0  # seconds that a connection may be silent, as with Tornado's server


class FastHTTPServer:
    """Listens in the place of an HTTPServer, and hands over to it what is not as simple as that."""

    def __init__(self, tornado: HTTPServer) -> None:
        self.tornado = tornado
        self.visits: set[Visit] = set()
        self.ended = False
        self._listening: list[asyncio.Server] = []

    async def listen(self, sockets: list[socket]) -> None:
        """Accept connections."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            self._listening.append(await loop.create_server(lambda: Visit(self), sock=sock, backlog=BACKLOG))

    def stop(self) -> None:
        """Accept no more connections."""
        self.tornado.stop()
        for server in self._listening:
            server.close()

    async def close_all_connections(self) -> None:
        """End all connections."""
        self.ended = True  # those that are only just accepted, too
        for visit in list(self.visits):
            visit.close()
        await self.tornado.close_all_connections()


class Visit(asyncio.Protocol):
    """A connection, until it is closed or handed over."""

    _transport: asyncio.Transport
    _idle: asyncio.TimerHandle

    def __init__(self, server: FastHTTPServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._reply: FastReply | None = None  # to the request under way
        self._early = bytearray()  # what came while that one was
        self._writes: list[asyncio.Future[None]] | None = None  # those since the client takes no more
        self._sent: asyncio.Future[None] = self._loop.create_future()  # what a write is that has left at once
        self._sent.set_result(None)
        self._used = self._loop.time()

    # -- what the loop calls -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._transport.set_write_buffer_limits(high=0)  # pause_writing() as soon as anything is unsent
        self.socket = transport.get_extra_info("socket")  # for its options and addresses alone
        self._client = Client(transport.get_extra_info("peername") or ("0.0.0.0", 0))  # who has gone has no address
        self._server.visits.add(self)
        self._idle = self._loop.call_later(IDLE, self._look)
        if self._server.ended:
            self.close()

    def data_received(self, data: bytes) -> None:
        if self._reply or self._early or self._writes is not None:
            self._early += data
            if len(self._early) > MUCH:  # which read_get() leaves to Tornado, with all that is to be read
                self._transport.pause_reading()
        else:
            self._begin(data)

    def pause_writing(self) -> None:
        self._writes = []

    def resume_writing(self) -> None:
        self._end_writes()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.cancel()
        self._server.visits.discard(self)
        self._end_writes()
        reply, self._reply = self._reply, None
        if reply:
            reply.lost()

    def _end_writes(self) -> None:
        writes, self._writes = self._writes, None
        for sent in writes or ():
            if not sent.done():  # who awaited it may have been cancelled
                sent.set_result(None)  # if the client has gone, too: Tornado's fails at the next one

    # -- one request after the other ---------------------------------------------------------------

    def _begin(self, data: bytes) -> None:
        # What a handler sets in a ContextVar is for its request alone: others may be of somebody else.
        self._context.copy().run(self._serve, data)

    def _serve(self, data: bytes) -> None:
        head = read_get(data)
        if head is None:
            return self._hand_over(data)
        self._reply = reply = FastReply(self, self._client)
        try:
            delegate = self._server.tornado.start_request(self, reply)
            prepared = delegate.headers_received(*head)
            if prepared is None:
                delegate.finish()
            else:
                reply.preparing = True
                asyncio.ensure_future(prepared).add_done_callback(lambda _: reply.prepared(delegate))
        except HTTPInputError:  # Tornado says what is wrong with it
            self._hand_over(data)
        except Exception:
            app_log.error("Uncaught exception", exc_info=True)
            self._reply = None  # its handler was not made: nobody to tell
            self.close()

    def finished(self) -> None:
        """The reply is complete."""
        self._reply = None
        self._go_on()

    def _go_on(self) -> None:
        self._used = self._loop.time()
        if self._early:
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        if self._reply or not self._early or self._writes is not None or self.closed():
            return
        data, self._early = bytes(self._early), bytearray()
        self._begin(data)

    # -- the connection: what a reply, and a handler that asks for its ``connection.stream``, sees -----------

    def closed(self) -> bool:
        """Whether it is over, whoever ended it."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> asyncio.Future[None]:
        """Send bytes. Done when the system has them, or the client has gone. StreamClosedError if it had before."""
        if self._transport.is_closing():
            return self._refused()
        self._transport.write(data)
        if self._writes is None:
            return self._sent
        self._writes.append(self._loop.create_future())
        return self._writes[-1]

    def _refused(self) -> asyncio.Future[None]:
        refused: asyncio.Future[None] = self._loop.create_future()
        refused.set_exception(StreamClosedError())
        refused.exception()  # not everybody awaits it
        return refused

    def close(self) -> None:
        """End the connection. What the system has is sent, and no more."""
        self._transport.abort()

    def set_nodelay(self, value: bool) -> None:
        """As a stream of Tornado's; it is always set."""

    def end(self) -> None:
        """End the connection, once all is sent."""
        self._transport.close()

    def take(self, unread: bytes | None = None) -> ResumedStream:
        """The connection as a stream of Tornado's, closed if the client has gone. unread: what it is to begin with.

        OSError if the system has no more descriptors; then the connection is lost.
        """
        self._reply = None
        try:
            return ResumedStream(self._transport, bytes(self._early) if unread is None else unread)
        finally:
            self._transport.close()

    def _hand_over(self, data: bytes) -> None:
        try:
            stream = self.take(data)
        except OSError as error:  # too many open files
            log.error("an HTTP connection is lost: %s", error)
        else:
            self._server.tornado.handle_stream(stream, self._client.address)

    def _look(self) -> None:
        busy = self._reply or self._writes is not None
        left = IDLE if busy else self._used + IDLE - self._loop.time()
        if left > 0:
            self._idle = self._loop.call_later(left, self._look)
        else:
            self.close()
