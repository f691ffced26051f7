"""``rpc_sessions.RequestHandler``: Tornado's, in the same middleware chain as a call.

The chain runs around the handler's method: its layers begin in ``prepare`` and end when the handler
finishes, before the first byte of the reply leaves. So a session is stored, and its cookie set,
whatever ended the request: ``finish``, ``redirect``, ``send_error``. An exception that leaves the
handler goes through the layers as it would through those of a call, and nothing is saved.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, ClassVar

import tornado.web
from tornado.http1connection import HTTP1Connection
from tornado.iostream import IOStream, StreamClosedError

from rpc_sessions import codec
from rpc_sessions.chain import compose
from rpc_sessions.errors import RPCError, StoreUnavailable
from rpc_sessions.transport.application import context_of, layers_of
from rpc_sessions.transport.context import Context, Use, current_request
from rpc_sessions.transport.messages import HTTPRequest, HTTPResponse
from rpc_sessions.transport.post import HTTPPeer
from rpc_sessions.types import Middleware

log = logging.getLogger("rpc_sessions")
_SAFE = ("GET", "HEAD", "OPTIONS")
STATUS = {
    -32700: 400, -32600: 400, -32602: 400, -32601: 404, -32000: 503,
    -32001: 401, -32002: 504, -32003: 413, -32004: 429, -32010: 503,
}  # fmt: skip


class RequestHandler(tornado.web.RequestHandler):
    """A ``tornado.web.RequestHandler`` with ``self.req`` and the middleware of ``use``.

    use: names, or (name, \\*config), as in ``req.use``. A subclass that overrides ``prepare`` awaits
    ``super().prepare()`` first.
    """

    use: ClassVar[Sequence[Use]] = ()
    req: HTTPRequest
    res: HTTPResponse

    _chain: asyncio.Task[object] | None = None
    _finishing: asyncio.Task[None] | None = None
    _flushing: asyncio.Task[None] | None = None
    _left: asyncio.Future[None]
    _sent: asyncio.Future[None] | None = None

    async def prepare(self) -> None:
        """Run the middleware up to the handler's own method, or answer in its place."""
        context = self.context()
        self._begin(context)
        if layers := self.layers(context):
            await self._enter(layers)

    def _begin(self, context: Context) -> None:
        """Make ``req`` and ``res``. HTTPError 403 for a request from a page that may not make it."""
        if self.request.method not in _SAFE and not context.origin_allowed(self.request):
            raise tornado.web.HTTPError(403, "origin not allowed")
        context.requests.add(self)
        current_request.set(self)
        self._peer = HTTPPeer(context, self)
        self.req = HTTPRequest(self._peer, self.request, self.path_kwargs)
        self.res = HTTPResponse(self.req)
        if self._stream_request_body:
            leave = partial(self._leave_early, self.on_connection_close)
            self.on_connection_close = leave  # type: ignore[method-assign]  # a subclass's own may not call super()'s

    def check_trusted_origin(self, origin: str) -> bool:
        """For Tornado's ``cross_origin_protection``: the pages that may call may post."""
        return self.context().origin_allowed(self.request)

    def context(self) -> Context:
        """The server that this handler belongs to."""
        return context_of(self.application)

    def layers(self, context: Context) -> tuple[Middleware, ...]:
        """The middleware of this handler."""
        return layers_of(self.application, context, type(self))

    async def _enter(self, layers: Sequence[Middleware]) -> None:
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = asyncio.get_running_loop().create_future()

        async def handler(*_: object) -> None:
            reached.set_result(None)
            await self._left

        chain = asyncio.ensure_future(compose(layers, handler)(self.req, self.res))
        await asyncio.wait((reached, chain), return_when=asyncio.FIRST_COMPLETED)
        if reached.done():
            self._chain = chain
            self._put_fields()
        else:
            await chain
            self.write_answer()
            self.finish()

    def write_answer(self) -> None:
        """Write what ``self.res`` holds."""
        self._put_fields()
        if self.res.failure:
            self._write_failure(self.res.failure, self.res.code)
            return
        self.set_status(self.res.code)
        if self.res.body:
            self.write(self.res.body)

    def _put_fields(self) -> None:
        """Set the headers that ``res.header`` has collected since the last time."""
        fields, self.res.fields = self.res.fields, []
        for name, value in fields:
            put = self.add_header if name.lower() == "set-cookie" else self.set_header
            put(name, value)

    def _write_failure(self, error: RPCError, code: int = 200) -> None:
        self.set_status(code if code != 200 else STATUS.get(error.code, 500))
        self.set_header("Content-Type", "application/json")
        self.write(codec.encode({"error": error.as_dict()}))

    # -- the end: the chain first, then the bytes --------------------------------------------------

    def finish(self, chunk: str | bytes | dict[str, Any] | None = None) -> asyncio.Future[None]:
        """As Tornado's; where there is a chain, the reply leaves when it has ended."""
        if self._chain is None:
            return self._send(chunk)
        if self._finishing is None:
            if chunk is not None:
                self.write(chunk)
            self._finished = True  # to Tornado: a prepare() that has answered ends the request, as anywhere
            self._finishing = asyncio.ensure_future(self._finish_chain())
        return self._finishing

    async def _finish_chain(self) -> None:
        """End the chain, then send. What goes wrong in it becomes the reply, if none has left."""
        assert self._chain is not None
        if self._flushing:
            await asyncio.wait((self._flushing,))
        if not self._left.done():
            self._left.set_result(None)
        await asyncio.wait((self._chain,))
        chain, self._chain = self._chain, None
        self._finished = False
        error = None if chain.cancelled() else chain.exception()
        if error is not None and error is not self._failure:
            self.log_exception(type(error), error, error.__traceback__)
            super().send_error(STATUS.get(getattr(error, "code", 0), 500), exc_info=(type(error), error, None))
            return
        try:
            if not self._headers_written:
                self._put_fields()
                await self._peer.check_cookie()
            await self._send()
        except StreamClosedError:
            pass  # the client has left: the session is stored all the same
        except Exception as unsendable:
            self._give_up(unsendable)

    def _give_up(self, error: Exception) -> None:
        """What the handler wrote cannot be sent (a header with a line break, a body for a 204)."""
        self.log_exception(type(error), error, error.__traceback__)
        if self._headers_written and self.request.connection:
            self.request.connection.close()  # type: ignore[attr-defined]  # HTTP1Connection has it
        else:
            super().send_error(500)

    def _send(self, chunk: str | bytes | dict[str, Any] | None = None) -> asyncio.Future[None]:
        if not hasattr(self, "_peer"):  # prepare() was not reached
            return super().finish(chunk)
        self._put_cookie()
        self._sent = self.context().until_sent(self, super().finish, chunk)
        return self._sent

    def flush(self, include_footers: bool = False) -> asyncio.Future[None]:
        """As Tornado's; the session is stored before the first byte leaves."""
        if self._chain is None or self._headers_written:
            return super().flush(include_footers)
        if self._flushing is None:
            self._flushing = asyncio.ensure_future(self._flush_saved(include_footers))
            # Not everybody awaits a flush: the end of the chain says what was wrong with the session.
            self._flushing.add_done_callback(lambda flushing: flushing.cancelled() or flushing.exception())
        return self._flushing

    async def _flush_saved(self, include_footers: bool) -> None:
        if self.req.has_session:
            await self.req.session.autosave()
            await self._peer.check_cookie()
        self._put_cookie()
        await super().flush(include_footers)

    def _put_cookie(self) -> None:
        if not self._headers_written:
            self._peer.put_cookie(self)
        elif self._peer.knows_too_little:
            log.error("%s: the session was first written after the headers had left: its cookie is lost", self.req.path)

    # -- the end without a reply -------------------------------------------------------------------

    def detach(self) -> IOStream:
        """As Tornado's. The chain ends: the session is stored, but the browser is told of no new one."""
        stream = super().detach()
        self._end_unsent(lambda chain: self._left.set_result(None))
        return stream

    def _leave_early(self, on_connection_close: Callable[[], None]) -> None:
        """The connection has ended before the body: there is nothing to call, and nobody to answer."""
        try:
            on_connection_close()
        finally:
            super().on_connection_close()
            self._end_unsent(lambda chain: chain.cancel())

    def _end_unsent(self, end: Callable[[asyncio.Task[object]], object]) -> None:
        """Nobody waits for this request any longer than its chain takes to end."""
        if self._sent is not None:  # an answer before the end of the body, of which Tornado forgets whom to tell
            if isinstance(self.request.connection, HTTP1Connection) and not self._sent.done():
                self._sent.set_result(None)
        elif self._chain is None:
            self.context().requests.discard(self)
        elif self._finishing is None:  # or its end has begun
            chain, self._chain = self._chain, None
            chain.add_done_callback(self._unsent)
            end(chain)

    def _unsent(self, chain: asyncio.Task[object]) -> None:
        self.context().requests.discard(self)
        if not chain.cancelled() and (error := chain.exception()):
            self.log_exception(type(error), error, error.__traceback__)

    # -- errors ------------------------------------------------------------------------------------

    _failure: BaseException | None = None

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """As Tornado's; an RPCError has the HTTP status of its code."""
        if self._finishing is not None:
            return  # the reply is complete, and only waits for the chain: as Tornado's, it stays as it is
        error = (kwargs.get("exc_info") or (None, None))[1]
        if isinstance(error, RPCError):
            status_code = STATUS.get(error.code, 500)
        if error is not None and self._chain is not None and not self._left.done():
            self._failure = error
            self._left.set_exception(error)
        super().send_error(status_code, **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """As Tornado's; an RPCError is written as JSON."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        if isinstance(error, RPCError):
            self._write_failure(error)
        else:
            super().write_error(status_code, **kwargs)

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """As Tornado's; an RPCError is an answer, not a fault."""
        if isinstance(value, StoreUnavailable):
            log.warning("%s: %s: %s", self.request.path, value, value.cause)
        elif not isinstance(value, RPCError):
            super().log_exception(typ, value, tb)
