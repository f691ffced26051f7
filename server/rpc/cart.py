"""cart.add, cart.get: a value in the session, changed from both sides."""

from __future__ import annotations

from rpc_sessions import Request, Response, Server
from rpc_sessions.types import Actions
from server import visit


def actions(req: Request, res: Response, ss: Server) -> Actions:
    req.use("session")

    async def get() -> dict[str, int]:
        """The items, and how many of each."""
        return visit.cart_of(req.session)

    async def add(item: str, by: int = 1) -> dict[str, object]:
        """Add to an item, or with a negative number take away."""
        return await visit.change_cart(ss, req.session, item, by)

    return get, add
