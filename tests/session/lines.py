"""A WebSocket on which many steps are under way at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed

from rpc_sessions import RPCError
from tests.http.browser import Browser
from tests.session.steps import Registered, Step
from tests.wire import Socket, request


class Line:
    """A WebSocket on which many steps can be under way. events: the params of each, by name."""

    def __init__(self, browser: Browser, socket: Socket) -> None:
        self.browser = browser
        self.socket = socket
        self.tickets: list[str] = []
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def do(self, step: Step, module: str = "s") -> Any:
        """Run a step."""
        registered = Registered(self.browser.site.ss, step)
        waiting = self._waiting[registered.name] = asyncio.get_running_loop().create_future()
        await self.socket.send(request(f"{module}.do", [registered.name], registered.name))
        async with asyncio.timeout(30):
            reply = await waiting
        error = reply.get("error")
        return registered.result(RPCError(error["code"], error["message"]) if error else None)

    async def redeem(self) -> None:
        """Do with the tickets that came what the JS client does, one after the other."""
        await self._all_read()
        while self.tickets:
            assert await self.browser.redeem(self.tickets.pop(0)) in (204, 403)

    async def _all_read(self) -> None:
        """Until all is read that the server has sent: it answers behind that."""
        with suppress(ConnectionClosed):
            answered = self._waiting["read"] = asyncio.get_running_loop().create_future()
            await self.socket.send(request("rpc.cancel", {"id": "nobody"}, "read"))
            async with asyncio.timeout(30):
                await answered

    async def read(self) -> None:
        """Take what comes, until the server closes."""
        try:
            await self._read()
        except ConnectionClosed as closed:
            for waiting in self._waiting.values():
                waiting.set_exception(closed)

    async def _read(self) -> None:
        while True:
            message = json.loads(await self.socket.connection.recv())
            if "method" not in message:
                self._waiting.pop(message["id"]).set_result(message)
            elif message["method"] == "rpc.session":
                self.tickets.append(message["params"]["ticket"])


@asynccontextmanager
async def line(browser: Browser) -> AsyncIterator[Line]:
    """A WebSocket of a browser, for many steps at once."""
    async with browser.socket() as socket:
        line = Line(browser, socket)
        reading = asyncio.ensure_future(line.read())
        try:
            yield line
        finally:
            reading.cancel()
