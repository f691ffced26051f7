"""account.who, account.login, account.logout, account.end: who you are, over WebSocket."""

from __future__ import annotations

from rpc_sessions import Request, Response, Server
from rpc_sessions.types import Actions
from server import visit


def actions(req: Request, res: Response, ss: Server) -> Actions:
    req.use("session")

    async def who() -> dict[str, object]:
        """The session, as the page shows it."""
        return visit.describe(ss, req.session)

    async def login(name: str) -> dict[str, object]:
        """Log in; the browser gets the cookie of the new session id by a ticket."""
        return await visit.log_in(ss, req.session, name)

    async def logout() -> dict[str, object]:
        """Log out; the session goes on."""
        return await visit.log_out(ss, req.session)

    async def end() -> None:
        """Destroy the session; its other sockets are closed."""
        await req.session.destroy()

    return who, login, logout, end
