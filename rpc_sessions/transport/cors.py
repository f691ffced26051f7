"""Cross-origin requests of the pages in ``options.origins``: what a browser must be told to allow them.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import tornado.web

from rpc_sessions.transport.context import Context


def check_origin(handler: tornado.web.RequestHandler, context: Context) -> None:
    """403 for a page that may not speak to this server; for one of another origin that may, the headers."""
    if not context.origin_allowed(handler.request):
        raise tornado.web.HTTPError(403, "origin not allowed")
    put_headers(handler, context)


def put_headers(handler: tornado.web.RequestHandler, context: Context) -> None:
    """What lets a page of ``options.origins`` see the answer. Once more where an error has cleared the headers."""
    origin = handler.request.headers.get("Origin", "")
    handler.set_header("Vary", "Origin")
    if context.origin_listed(origin):
        handler.set_header("Access-Control-Allow-Origin", origin)
        handler.set_header("Access-Control-Allow-Credentials", "true")


def preflight(handler: tornado.web.RequestHandler) -> None:
    """Answer the OPTIONS request that precedes a POST of JSON."""
    handler.set_header("Access-Control-Allow-Methods", "POST")
    handler.set_header("Access-Control-Allow-Headers", "Content-Type")
    handler.set_header("Access-Control-Max-Age", "600")
    handler.set_status(204)
    handler.finish()
