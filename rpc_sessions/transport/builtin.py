"""What every server also serves: tickets, the JS client, and its health."""

from __future__ import annotations

from pathlib import Path

import tornado.web
from tornado.routing import PathMatches, Rule

from rpc_sessions import codec
from rpc_sessions.actions import Method
from rpc_sessions.errors import RPCError, StoreUnavailable
from rpc_sessions.request import current_call
from rpc_sessions.transport.context import Context
from rpc_sessions.transport.cors import check_origin, preflight, put_headers
from rpc_sessions.transport.endpoint import RPCHandler
from rpc_sessions.transport.post import HTTPPeer, finish_json, is_json

CLIENT = Path(__file__).parent.parent / "client" / "index.js"


class ContextHandler(tornado.web.RequestHandler):
    """A handler that knows its server."""

    def initialize(self, context: Context) -> None:
        self.context = context


class TicketHandler(ContextHandler):
    """POST /rpc/session {"ticket": ...}: sets the cookie of a session whose id was rotated over a WebSocket.

    204 with the cookie; 403 for a wrong origin, or a ticket that is unknown, used, late or of another cookie.
    """

    def prepare(self) -> None:
        check_origin(self, self.context)

    def options(self) -> None:
        preflight(self)

    async def post(self) -> None:
        if not is_json(self):
            raise tornado.web.HTTPError(415)
        ticket = self._ticket()
        if not self.context.uses_sessions:  # nobody was ever given a ticket, and there may be no secret
            raise tornado.web.HTTPError(403, "ticket refused")
        try:
            claim = await self.context.sessions.redeem(ticket, self.request.headers.get("Cookie", ""))
        except StoreUnavailable as error:
            raise tornado.web.HTTPError(503, "%s: %s", error, error.cause) from error
        if claim is None:
            raise tornado.web.HTTPError(403, "ticket refused")
        https = HTTPPeer(self.context, self).https
        self.set_header("Set-Cookie", self.context.sessions.cookie_for(claim, https=https))
        self.set_header("Cache-Control", "no-store")
        self.set_status(204)

    def _ticket(self) -> str:
        try:
            message = codec.decode(self.request.body)
        except RPCError as error:
            raise tornado.web.HTTPError(400, str(error)) from error
        ticket = message.get("ticket") if isinstance(message, dict) else None
        if not isinstance(ticket, str):
            raise tornado.web.HTTPError(400, 'expected {"ticket": "..."}')
        return ticket

    def write_error(self, status_code: int, **kwargs: object) -> None:
        put_headers(self, self.context)
        super().write_error(status_code, **kwargs)

    def check_trusted_origin(self, origin: str) -> bool:
        return True  # prepare() checks, more strictly


class ClientHandler(tornado.web.RequestHandler):
    """GET /rpc/client.js: the JS client, an ES module."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")  # asked again each time, answered 304 by its ETag
        self.finish(CLIENT.read_bytes())

    head = get


class HealthHandler(tornado.web.RequestHandler):
    """GET /healthz: 200 as long as the process answers."""

    def get(self) -> None:
        finish_json(self, b'{"status":"ok"}')

    head = get


class ReadyHandler(ContextHandler):
    """GET /readyz: 200 when calls can be taken; 503 while draining, or while the store is away or read-only."""

    async def get(self) -> None:
        status = "draining" if self.context.dispatcher.draining else await self._store_status()
        self.set_status(200 if status == "ok" else 503)
        finish_json(self, codec.encode({"status": status}))

    head = get

    async def _store_status(self) -> str:
        if self.context.uses_sessions:
            try:
                await self.context.sessions.store.check()
            except StoreUnavailable:
                return "session store unavailable"
        return "ok"


class MetricsHandler(ContextHandler):
    """GET /metrics: counts of this process, for Prometheus.

    Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
    """

    def get(self) -> None:
        dispatcher = self.context.dispatcher
        lines = [
            "# TYPE rpc_sessions_connections gauge",
            f"rpc_sessions_connections {len(self.context.connections)}",
            "# TYPE rpc_sessions_calls_in_flight gauge",
            f"rpc_sessions_calls_in_flight {dispatcher.running}",
            "# TYPE rpc_sessions_calls_total counter",
            f"rpc_sessions_calls_total {dispatcher.started}",
            "# TYPE rpc_sessions_errors_total counter",
            *(f'rpc_sessions_errors_total{{code="{code}"}} {count}' for code, count in dispatcher.failed.items()),
        ]
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish("\n".join(lines) + "\n")


def builtin_methods(context: Context) -> dict[str, Method]:
    """The protocol's own methods, but ``rpc.cancel``, which is the dispatcher's."""

    async def ticket() -> bool:
        """Send the caller's socket another ticket: the first may be lost. False if its browser needs none."""
        request, _ = current_call.get()
        return await context.sessions.renew_ticket(request.peer)

    return {"rpc.ticket": Method("rpc.ticket", ticket, (), frozenset())}


def builtin_rules(context: Context) -> list[Rule]:
    """The rules of the protocol's own paths."""
    with_context = {"context": context}
    metrics = [Rule(PathMatches(r"/metrics"), MetricsHandler, with_context)] if context.options.metrics else []
    return [
        *metrics,
        Rule(PathMatches(r"/rpc"), RPCHandler, with_context),
        Rule(PathMatches(r"/rpc/session"), TicketHandler, with_context),
        Rule(PathMatches(r"/rpc/client\.js"), ClientHandler),
        Rule(PathMatches(r"/healthz"), HealthHandler),
        Rule(PathMatches(r"/readyz"), ReadyHandler, with_context),
    ]
