"""python-socketio on Tornado; the handler's return value is the acknowledgement."""

import sys

import socketio
import tornado.web

from . import loop

server = socketio.AsyncServer(async_mode="tornado", transports=["websocket"])


async def echo(sid: str, text: str) -> str:
    return text


server.on("bench.echo", echo)


if __name__ == "__main__":
    handler = socketio.get_tornado_handler(server)
    loop.serve(tornado.web.Application([("/socket.io/", handler)]), *sys.argv[1:])
