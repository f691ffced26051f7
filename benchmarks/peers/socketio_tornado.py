"""python-socketio on Tornado; the handler's return value is the acknowledgement."""

import asyncio
import sys

import socketio
import tornado.web

server = socketio.AsyncServer(async_mode="tornado", transports=["websocket"])


async def echo(sid: str, text: str) -> str:
    return text


server.on("bench.echo", echo)


async def main(port: int) -> None:
    handler = socketio.get_tornado_handler(server)
    tornado.web.Application([("/socket.io/", handler)]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
