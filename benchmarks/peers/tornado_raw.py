"""Raw Tornado: a WebSocketHandler and one task a call."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import tornado.web
import tornado.websocket
import ujson

from . import loop


async def echo(text: str) -> str:
    return text


METHODS: dict[str, Callable[..., Awaitable[Any]]] = {"bench.echo": echo}


class Rpc(tornado.websocket.WebSocketHandler):
    def open(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    def on_message(self, message: str | bytes) -> None:
        task = asyncio.create_task(self.call(message))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def call(self, message: str | bytes) -> None:
        request = ujson.loads(message)
        result = await METHODS[request["method"]](*request["params"])
        self.write_message(ujson.dumps({"jsonrpc": "2.0", "result": result, "id": request["id"]}))


if __name__ == "__main__":
    loop.serve(tornado.web.Application([("/", Rpc)]), *sys.argv[1:])
