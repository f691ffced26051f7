"""python-socketio on uvicorn (uvloop, the `websockets` library)."""

import sys

import socketio
import uvicorn

server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"])


async def echo(sid: str, text: str) -> str:
    return text


server.on("bench.echo", echo)


if __name__ == "__main__":
    uvicorn.run(socketio.ASGIApp(server), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
