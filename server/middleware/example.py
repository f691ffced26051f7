"""Middleware of the application: ``req.use("example.authenticated")``."""

from __future__ import annotations

from rpc_sessions import Request, Response
from rpc_sessions.types import Middleware, Next


def authenticated() -> Middleware:
    """Only for who is logged in. It stands behind ``req.use("session")``."""

    async def check(req: Request, res: Response, next: Next) -> None:
        if req.session.user_id is None:
            return res.error(-32001, "log in first")
        await next()
        return None

    return check
