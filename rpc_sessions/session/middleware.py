"""The middleware ``session``: loads the session of a call, and over HTTP saves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpc_sessions.errors import ConfigError
from rpc_sessions.request import Request, Response
from rpc_sessions.types import Middleware, Next, Seconds, seconds

if TYPE_CHECKING:
    from rpc_sessions.session.sessions import Sessions


def session_layer(
    sessions: Sessions, *, autosave: bool = False, readonly: bool = False, max_age: Seconds = 0
) -> Middleware:
    """The layer of ``req.use("session", ...)``.

    autosave: save after the action over WebSocket too; over HTTP that is always so. readonly: never
    write, not even a touch. max_age: a copy that was read at most so long ago will do, where a socket of the
    session is open; a save merges all the same. An exception that leaves the action is passed on, and nothing is saved.
    """
    if autosave and readonly:
        raise ConfigError("autosave and readonly exclude each other")
    copies = _checked(max_age)

    async def session(req: Request, res: Response, next: Next) -> None:
        if req.has_session:  # used twice in one chain: one session
            await next()
            return
        req.session = await sessions.open(req.peer, readonly=readonly, max_age=copies)
        await next()
        if autosave or req.transport == "http":
            await req.session.autosave()
        else:
            await req.session.write_touch()

    return session


def _checked(max_age: Seconds) -> float:
    try:
        span = seconds(max_age)
    except TypeError as error:
        raise ConfigError(f"max_age of the session: {error}") from None
    if not 0 <= span <= 3600:
        raise ConfigError(f"max_age of the session is at most an hour old a copy, not {max_age!r}")
    return span
