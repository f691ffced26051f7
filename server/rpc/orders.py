"""orders.place, orders.history: for users only, which a middleware sees to."""

from __future__ import annotations

from typing import cast

from rpc_sessions import Request, Response, RPCError, Server, Session
from rpc_sessions.types import JSON, Actions
from server import visit

_KEPT = 5  # a session is no place for a long history


def actions(req: Request, res: Response, ss: Server) -> Actions:
    req.use("session")
    req.use("example.authenticated")

    async def place() -> int:
        """Order what is in the cart. How many orders there are now."""

        def order(session: Session) -> int:
            if not visit.cart_of(session):
                raise RPCError(-32602, "the cart is empty")
            orders = [*orders_of(session), session.pop("cart")][-_KEPT:]
            session["orders"] = orders
            return len(orders)

        count = cast(int, await req.session.mutate(order))
        ss.publish.session(req.session.id, "session.changed", "cart")
        return count

    async def history() -> list[JSON]:
        """The last orders."""
        return orders_of(req.session)

    return place, history


def orders_of(session: Session) -> list[JSON]:
    return cast("list[JSON]", session.get("orders", []))
