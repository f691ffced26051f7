"""The middleware ``session``: loads the session of a call, and over HTTP saves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpc_sessions.errors import ConfigError
from rpc_sessions.request import Request, Response
from rpc_sessions.types import Middleware, Next

if TYPE_CHECKING:
    from rpc_sessions.session.sessions import Sessions


def session_layer(sessions: Sessions, *, autosave: bool = False, readonly: bool = False) -> Middleware:
    """The layer of ``req.use("session", ...)``.

    autosave: save after the action over WebSocket too; over HTTP that is always so. readonly: never
    write, not even a touch. An exception that leaves the action is passed on, and nothing is saved.
    """
    if autosave and readonly:
        raise ConfigError("autosave and readonly exclude each other")

    async def session(req: Request, res: Response, next: Next) -> None:
        if req.has_session:  # used twice in one chain: one session
            await next()
            return
        req.session = await sessions.open(req.peer, readonly=readonly)
        await next()
        if autosave or req.transport == "http":
            await req.session.autosave()
        else:
            await req.session.write_touch()

    return session
