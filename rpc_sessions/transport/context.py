"""What every handler of a server shares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from rpc_sessions.dispatcher import Dispatcher
from rpc_sessions.errors import ConfigError
from rpc_sessions.middleware import MiddlewareRegistry
from rpc_sessions.options import Options
from rpc_sessions.session.sessions import Sessions
from rpc_sessions.transport.timers import Timers
from rpc_sessions.types import Middleware

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest

    from rpc_sessions.transport.websocket import Connection

current_request: ContextVar[object] = ContextVar("rpc_sessions.request")  # what is in Context.requests

T = TypeVar("T")
Sent: TypeAlias = "asyncio.Future[None]"
Use: TypeAlias = "str | Middleware | tuple[object, ...]"


@dataclass
class Context:
    """One server's parts. connections: its open WebSockets by socket id. requests: its HTTP requests under way."""

    options: Options
    sessions: Sessions
    dispatcher: Dispatcher
    registry: MiddlewareRegistry
    connections: dict[str, Connection]
    uses_sessions: bool = False
    timers: Timers = field(default_factory=Timers)
    requests: set[object] = field(default_factory=set)

    def layers(self, use: Sequence[Use]) -> tuple[Middleware, ...]:
        """The middleware of a ``use`` list: names, or (name, \\*config). ConfigError if one is of no use."""
        if not isinstance(use, list | tuple):
            raise ConfigError(f"use is a list, not {use!r}")
        return tuple(self._layer(item) for item in use)

    def _layer(self, item: Use) -> Middleware:
        if item == ():
            raise ConfigError("use has an empty tuple: write a name, or (name, *config)")
        name, *config = item if isinstance(item, tuple) else (item,)
        options = cast(dict[object, object], config.pop()) if config and isinstance(config[-1], dict) else {}
        if not all(isinstance(key, str) for key in options):
            raise ConfigError(f"the options of {name!r} are named by strings, not as in {options!r}")
        # Also where a Tornado application has mounted the handler by itself: its first request tells.
        self.uses_sessions = self.uses_sessions or name == "session"
        return self.registry.make(name, *config, **options)  # type: ignore[arg-type]  # make() refuses the rest

    def until_sent(self, handler: object, finish: Callable[[T], Sent], chunk: T) -> Sent:
        """Finish a request, which is under way until its reply has left, or its client."""
        try:
            sent = finish(chunk)
        except BaseException:
            self.requests.discard(handler)
            raise
        if sent.done():
            self.requests.discard(handler)
        else:
            sent.add_done_callback(lambda _: self.requests.discard(handler))
        return sent

    def client(self, request: HTTPServerRequest) -> tuple[str, bool]:
        """(address, https) of the client. Forwarded headers count as far as trusted proxies wrote them."""
        address, https = request.remote_ip or "", request.protocol == "https"
        if not self._trusted(address):
            return address, https
        if protocol := request.headers.get("X-Forwarded-Proto"):
            https = protocol.split(",")[-1].strip().lower() == "https"
        for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
            if not _is_address(hop.strip()):
                break
            address = hop.strip()
            if not self._trusted(address):
                break
        return address, https

    def _trusted(self, address: str) -> bool:
        if not self.options.trusted_proxies or not _is_address(address):
            return False
        ip = ip_address(address)
        return any(ip in _network(network) for network in self.options.trusted_proxies)

    def origin_allowed(self, request: HTTPServerRequest) -> bool:
        """Whether the page behind a request may speak to this server.

        A browser always says where a page is from; a request without Origin is from no page. The
        same scheme, host and port may, and what ``options.origins`` lists: nothing else, not "null".
        """
        origin = request.headers.get("Origin")
        if origin is None:
            return True
        _, https = self.client(request)
        own = f"{'https' if https else 'http'}://{request.host.lower()}"
        return _without_default_port(origin.lower()) == _without_default_port(own) or self.origin_listed(origin)

    def origin_listed(self, origin: str) -> bool:
        """Whether ``options.origins`` has the origin."""
        return _without_default_port(origin.lower()) in map(_without_default_port, self.options.origins)


_network = lru_cache(ip_network)  # parsed once, not for every request


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _without_default_port(origin: str) -> str:
    port = ":443" if origin.startswith("https:") else ":80"
    return origin.removesuffix(port)
