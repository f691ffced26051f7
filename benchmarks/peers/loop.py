"""Serve a Tornado application, on asyncio's own loop or on uvloop."""

import asyncio

import tornado.web


async def _serve(app: tornado.web.Application, port: int) -> None:
    app.listen(port, "127.0.0.1")
    await asyncio.Event().wait()


def serve(app: tornado.web.Application, port: str, loop: str = "asyncio") -> None:
    if loop == "asyncio":
        asyncio.run(_serve(app, int(port)))
    else:
        import uvloop

        uvloop.run(_serve(app, int(port)))
