"""app.echo, app.wait: without a session; no store is read for them."""

from __future__ import annotations

import asyncio

from rpc_sessions import Request, Response, RPCError, Server
from rpc_sessions.types import Actions


def actions(req: Request, res: Response, ss: Server) -> Actions:
    async def echo(value: object) -> object:
        """What it was given."""
        return value

    async def wait(seconds: float) -> str:
        """Answer later; other calls of the same connection are not held up."""
        if not 0 <= seconds <= 10:
            raise RPCError(-32602, "seconds is from 0 to 10")
        await asyncio.sleep(seconds)
        return f"{seconds:g} s later"

    return echo, wait
