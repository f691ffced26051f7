"""A browser, as far as sessions go: one cookie, for HTTP requests and for WebSockets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from rpc_sessions.session import cookie
from tests.apps import SECRET, Site
from tests.wire import JSON_TYPE, Socket, connect, request, result_of


class Browser:
    """``Browser(site)``: ``.get("/cart")``, ``.post("/login", {"name": "ada"})``, ``.rpc("app.echo", 1)``."""

    def __init__(self, site: Site, cookie: str = "") -> None:
        self.site = site
        self.cookie = cookie

    @property
    def id(self) -> str | None:
        """The session id in the cookie, if the server signed it."""
        return cookie.read(self.cookie, "connect.sid", [SECRET])

    async def fetch(
        self, path: str, method: str = "GET", body: str | bytes | None = None, **options: Any
    ) -> HTTPResponse:
        """The response, whatever its status. Redirects are not followed. The cookie is kept."""
        headers = {**({"Cookie": self.cookie} if self.cookie else {}), **options.pop("headers", {})}
        response = await AsyncHTTPClient().fetch(
            self.site.url + path,
            method=method,
            body=body,
            headers=headers,
            follow_redirects=False,
            raise_error=False,
            allow_nonstandard_methods=True,
            request_timeout=30,
            **options,
        )
        self.take_cookie(set_cookies(response))
        return response

    async def get(self, path: str, **options: Any) -> HTTPResponse:
        return await self.fetch(path, **options)

    async def post(self, path: str, form: Mapping[str, str] | None = None, **options: Any) -> HTTPResponse:
        """Send a form."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.fetch(path, "POST", urlencode(form or {}), headers=headers, **options)

    async def post_json(self, path: str, value: object, **headers: str) -> HTTPResponse:
        return await self.fetch(path, "POST", json.dumps(value), headers={**JSON_TYPE, **headers})

    async def rpc(self, method: str, *params: object) -> Any:
        """The result of a call over HTTP. RPCError if it is answered with an error."""
        response = await self.fetch("/rpc", "POST", request(method, params), headers=JSON_TYPE)
        return result_of(json.loads(response.body))

    async def redeem(self, ticket: str) -> int:
        """Exchange a ticket for a cookie, as the JS client does. The status."""
        return (await self.post_json("/rpc/session", {"ticket": ticket})).code

    async def take_ticket(self, socket: Socket) -> None:
        """Redeem the ticket that is the socket's next event."""
        name, params = await socket.event()
        assert name == "rpc.session"
        assert await self.redeem(dict(params)["ticket"]) == 204

    @asynccontextmanager
    async def socket(self, **options: Any) -> AsyncIterator[Socket]:
        headers = {"Cookie": self.cookie} if self.cookie else {}
        async with connect(self.site, headers=headers, **options) as socket:
            assert socket.connection.response is not None
            self.take_cookie(socket.connection.response.headers.get_all("Set-Cookie"))
            yield socket

    def take_cookie(self, headers: list[str]) -> None:
        for header in headers:
            name, _, value = header.split(";")[0].partition("=")
            if name == "connect.sid":
                self.cookie = f"{name}={value}" if value else ""


def set_cookies(response: HTTPResponse) -> list[str]:
    """The Set-Cookie headers of a response."""
    return response.headers.get_list("Set-Cookie")
