"""Clients that say exactly what a test wants to say: over WebSocket, over HTTP POST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed

from rpc_sessions import RPCError
from tests.apps import Site

JSON_TYPE = {"Content-Type": "application/json"}
DEFAULTS: dict[str, Any] = {"compression": None, "open_timeout": 30}  # where others have the processors, it takes long


def request(method: str, params: object = (), id: object = 1) -> str:
    """The text of a call."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": id})


def notification(method: str, params: object = ()) -> str:
    """The text of a call without id."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params})


class Socket:
    """A WebSocket to the server. ``events``: the notifications that came while something else was awaited."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.events: list[dict[str, Any]] = []
        self._last_id = 0

    async def send(self, text: str | bytes) -> None:
        await self.connection.send(text)

    async def receive(self, within: float = 30) -> Any:
        """The next message, whatever it is."""
        return json.loads(await asyncio.wait_for(self.connection.recv(), within))

    async def reply(self, within: float = 30) -> Any:
        """The next message that is no event."""
        while True:
            message = await self.receive(within)
            if isinstance(message, dict) and "method" in message:
                self.events.append(message)
            else:
                return message

    async def event(self, within: float = 30) -> tuple[str, list[Any]]:
        """The next event: its name and its params."""
        message = self.events.pop(0) if self.events else await self.receive(within)
        return message["method"], message["params"]

    async def begin(self, method: str, *params: object) -> int:
        """Send a call and do not wait. Its id."""
        self._last_id += 1
        await self.send(request(method, params, self._last_id))
        return self._last_id

    async def call(self, method: str, *params: object) -> dict[str, Any]:
        """The reply to a call; no other may be under way."""
        id = await self.begin(method, *params)
        reply = await self.reply()
        assert reply["id"] == id, reply
        return dict(reply)

    async def result(self, method: str, *params: object) -> Any:
        """The result of a call. RPCError if it is answered with an error."""
        return result_of(await self.call(method, *params))

    async def closed(self, within: float = 30) -> tuple[int | None, str]:
        """Wait until the server has closed: (code, reason). What was still on its way is dropped."""
        async with asyncio.timeout(within):
            try:
                while True:
                    await self.connection.recv()
            except ConnectionClosed:
                return self.connection.close_code, self.connection.close_reason or ""


def result_of(reply: Mapping[str, Any]) -> Any:
    if error := reply.get("error"):
        raise RPCError(error["code"], error["message"], error.get("data"))
    return reply["result"]


@asynccontextmanager
async def connect(site: Site, *, headers: Mapping[str, str] | None = None, **options: Any) -> AsyncIterator[Socket]:
    """A WebSocket to ``/rpc``. headers: of the handshake. options: of ``websockets.connect``."""
    async with connect_websocket(site.ws, additional_headers=headers, **DEFAULTS | options) as connection:
        yield Socket(connection)


async def post(site: Site, body: str | bytes, headers: Mapping[str, str] = JSON_TYPE) -> HTTPResponse:
    """The response to a POST of a JSON-RPC text, whatever its status."""
    client = AsyncHTTPClient()
    return await client.fetch(
        f"{site.url}/rpc", method="POST", body=body, headers=dict(headers), raise_error=False, request_timeout=30
    )


async def post_call(site: Site, method: str, *params: object) -> dict[str, Any]:
    """The reply to one call over HTTP."""
    response = await post(site, request(method, params))
    reply: dict[str, Any] = json.loads(response.body)
    return reply
