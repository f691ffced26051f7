"""What a visitor can do, whichever side the call came from: the routes and the actions both call this."""

from __future__ import annotations

from hashlib import sha256
from typing import cast

from rpc_sessions import RPCError, Server, Session

_LONGEST_NAME = 40
_MOST_ITEMS = 20
_MOST_OF_ONE = 99


def describe(ss: Server, session: Session) -> dict[str, object]:
    """What the page shows of a session. Never its id, which is as good as the cookie: the key opens nothing."""
    return {
        "user": session.user_id,
        "key": sha256(session.id.encode()).hexdigest()[:12],  # as `rpc-sessions sessions list` shows it
        "created": None if session.is_new else session.created.isoformat(),  # None: nothing is stored yet
        "expires": session.expires.isoformat(),
        "store": ss.session.store.name,
        "cart": cart_of(session),
    }


def cart_of(session: Session) -> dict[str, int]:
    """The items in the cart, and how many of each."""
    return cast("dict[str, int]", session.get("cart", {}))


async def log_in(ss: Server, session: Session, name: object) -> dict[str, object]:
    """Log a user in by name; no password, this is a demonstration. The session gets a new id."""
    await session.set_user_id(_name(name))
    return _changed(ss, session, "user")


async def log_out(ss: Server, session: Session) -> dict[str, object]:
    """Log out. The session goes on, with its cart, under a new id."""
    if session.user_id is not None:
        await session.set_user_id(None)
    return _changed(ss, session, "user")


async def change_cart(ss: Server, session: Session, item: object, by: object) -> dict[str, object]:
    """Add to an item, or take away from it; an item of which none is left goes."""
    name = _name(item)
    if isinstance(by, bool) or not isinstance(by, int):
        raise RPCError(-32602, "by is a whole number")

    def change(session: Session) -> None:
        cart = {**cart_of(session)}
        count = max(0, min(cart.get(name, 0) + by, _MOST_OF_ONE))
        cart[name] = count
        if not count:
            del cart[name]
        if len(cart) > _MOST_ITEMS:
            raise RPCError(-32602, f"a cart holds {_MOST_ITEMS} items")
        session["cart"] = dict(cart)

    # Atomic: of two clicks at the same moment, on either side, none is lost.
    await session.mutate(change)
    return _changed(ss, session, "cart")


def _changed(ss: Server, session: Session, what: str) -> dict[str, object]:
    """Tell every tab of this session to look again."""
    ss.publish.session(session.id, "session.changed", what)
    return describe(ss, session)


def _name(value: object) -> str:
    """A name as someone typed it. RPCError if it is none."""
    name = " ".join(value.split()) if isinstance(value, str) else ""
    if not 0 < len(name) <= _LONGEST_NAME:
        raise RPCError(-32602, f"a name has 1 to {_LONGEST_NAME} characters")
    return name
