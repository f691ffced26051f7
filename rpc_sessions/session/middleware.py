"""The middleware ``session``: loads the session of a call, and over HTTP saves it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from rpc_sessions.chain import Bracket
from rpc_sessions.errors import ConfigError, StoreUnavailable
from rpc_sessions.request import Request, Response, log
from rpc_sessions.types import Seconds, seconds

if TYPE_CHECKING:
    from rpc_sessions.session.session import Session
    from rpc_sessions.session.sessions import Sessions


class SessionLayer(Bracket):
    """The layer of ``req.use("session", ...)``.

    autosave: save after the action over WebSocket too; over HTTP that is always so. readonly: never
    write, not even a touch. max_age: a copy that was read at most so long ago will do, where a socket of the
    session is open; a save merges all the same. An exception that leaves the action is passed on, and
    nothing is saved.
    """

    def __init__(
        self, sessions: Sessions, *, autosave: bool = False, readonly: bool = False, max_age: Seconds = 0
    ) -> None:
        if autosave and readonly:
            raise ConfigError("autosave and readonly exclude each other")
        self._sessions = sessions
        self._autosave = autosave
        self._readonly = readonly
        self._max_age = _checked(max_age)

    def enter(self, req: Request, res: Response) -> Awaitable[None] | None:
        if req.opened is not None:  # used twice in one chain: one session, which the first looks after
            return None
        session = self._sessions.open_now(req.peer, req.received_at, self._readonly)
        if session is None:
            return self._open(req)
        session.layer = self
        req.opened = session
        return None

    async def _open(self, req: Request) -> None:
        session = await self._sessions.open(req.peer, readonly=self._readonly, max_age=self._max_age)
        session.layer = self
        req.opened = session

    def leave(self, req: Request, res: Response) -> Awaitable[None] | None:
        session = req.opened
        if session is None or session.layer is not self:
            return None
        if self._autosave or req.peer.transport == "http":
            return session.autosave()
        return self._touch(session) if session.touched else None

    async def _touch(self, session: Session) -> None:
        """The action is done: that the expiry cannot be pushed out now must not make it look undone."""
        try:
            await session.write_touch()
        except StoreUnavailable as error:
            log.warning("a session was not touched: %s: %s", error, error.cause)


def _checked(max_age: Seconds) -> float:
    try:
        span = seconds(max_age, "max_age of the session")
    except TypeError as error:
        raise ConfigError(str(error)) from None
    if not 0 <= span <= 3600:
        raise ConfigError(f"max_age, how old a copy of the session may be, is at most an hour, not {max_age!r}")
    return span
