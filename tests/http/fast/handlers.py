"""Handlers of Tornado's, to be served in every way."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import tornado.web
from tornado.iostream import StreamClosedError

from rpc_sessions import Server
from tests.waiting import Gate

Method = Callable[..., Awaitable[object] | object]


class Plain(tornado.web.RequestHandler):
    """Says what it was asked."""

    SUPPORTED_METHODS = (*tornado.web.RequestHandler.SUPPORTED_METHODS, "BREW")

    def _say(self) -> None:
        asked = self.request
        seen = [asked.method, asked.uri, asked.version, asked.host, asked.protocol, asked.remote_ip]
        text = json.dumps([*seen, list(asked.headers.get_all()), asked.body.decode("latin1"), str(asked.arguments)])
        self.finish(text)

    get = post = put = head = brew = delete = options = _say


def handler(method: Method, *, streamed: bool = False, **members: Method) -> type[tornado.web.RequestHandler]:
    """A handler whose GET is a function of it. streamed: with stream_request_body. members: its other methods."""

    class Made(tornado.web.RequestHandler):
        pass

    for name, function in {"get": method, **members}.items():
        setattr(Made, name, lambda self, *arguments, function=function: function(self, *arguments))
    return tornado.web.stream_request_body(Made) if streamed else Made


def mounted(ss: Server, method: Method, *, streamed: bool = False, **members: Method) -> Server:
    """The server, with such a handler at /x."""
    ss.http.mount("/x", handler(method, streamed=streamed, **members))
    return ss


class Told:
    """What happened to a handler, in order. Its GET, and its prepare(), wait for a gate."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.gate = Gate()

    def closed(self, _: tornado.web.RequestHandler) -> None:
        self.events.append("closed")

    async def wait(self, _: tornado.web.RequestHandler) -> None:
        self.events.append("waits")
        await self.gate()
        self.events.append("goes on")

    async def write(self, handler: tornado.web.RequestHandler) -> None:
        await self.wait(handler)
        try:
            await handler.finish("written")
        except StreamClosedError:
            self.events.append("nobody reads")

    async def stream(self, handler: tornado.web.RequestHandler) -> None:
        handler.write("first")
        await handler.flush()
        await self.write(handler)
