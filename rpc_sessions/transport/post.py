"""JSON-RPC over HTTP POST: one message, one answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import tornado.web

from rpc_sessions.errors import ParseError, StoreUnavailable, TooLarge
from rpc_sessions.protocol import error_text
from rpc_sessions.request import Peer
from rpc_sessions.transport.context import Context

if TYPE_CHECKING:
    from rpc_sessions.session.claim import Claim

# How such a reply begins; a result may hold the same further on.
_UNAVAILABLE = b'{"jsonrpc":"2.0","error":{"code":%d,' % StoreUnavailable.CODE


class HTTPPeer(Peer):
    """One HTTP request. It is answered once, so what is sent to it otherwise is dropped."""

    transport = "http"

    def __init__(self, context: Context, handler: tornado.web.RequestHandler) -> None:
        address, self.https = context.client(handler.request)
        headers: Mapping[str, str] = handler.request.headers
        super().__init__(headers, address)
        self._context = context

    async def check_cookie(self) -> None:
        """Before ``put_cookie``, where the reply may leave long after the session was saved."""
        if self.claim:
            await self._context.sessions.check_cookie(self.claim)

    def put_cookie(self, handler: tornado.web.RequestHandler) -> None:
        """Put the session's cookie on the reply, if the browser must learn of something."""
        claim: Claim | None = self.claim
        if claim and (header := self._context.sessions.set_cookie(claim, https=self.https)):
            handler.add_header("Set-Cookie", header)
            handler.set_header("Cache-Control", "no-store")
            claim.cookie = ""
            claim.told(claim.id)

    @property
    def knows_too_little(self) -> bool:
        """Whether the session has an id that the browser was not told."""
        return bool(self.claim and self.claim.cookie == "set" and self.claim.id not in self.claim.browser_ids)


async def answer_post(handler: tornado.web.RequestHandler, context: Context, body: bytes, peer: HTTPPeer) -> None:
    """Answer a POST: 200 with the JSON-RPC reply, 204 when there is none, 415 for what is no JSON.

    A reply that says that the session store is unavailable (-32010) has the status 503.
    """
    if not is_json(handler):
        handler.set_status(415)
        return finish_json(handler, error_text(ParseError("Content-Type must be application/json"), None))
    text = await context.dispatcher.answer(body, peer)
    if peer.gone:  # its client has left
        return None
    await peer.check_cookie()
    peer.put_cookie(handler)
    if text is None:
        handler.set_status(204)
        await handler.finish()
        return None
    if text.startswith(_UNAVAILABLE):
        handler.set_status(503)
    return finish_json(handler, text)


def is_json(handler: tornado.web.RequestHandler) -> bool:
    """Whether a request says that its body is JSON. A form from another site cannot say so unasked."""
    return handler.request.headers.get("Content-Type", "").split(";")[0].strip().lower() == "application/json"


def too_large(handler: tornado.web.RequestHandler) -> None:
    """Answer 413."""
    handler.set_status(413)
    finish_json(handler, error_text(TooLarge(), None))


def finish_json(handler: tornado.web.RequestHandler, text: bytes) -> None:
    """Send a JSON text."""
    handler.set_header("Content-Type", "application/json")
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.finish(text)
