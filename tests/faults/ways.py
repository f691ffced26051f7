"""What the tests of faults ask, on all three ways to a session: a WebSocket, HTTP POST, and an HTTP route."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rpc_sessions import RPCError, Session
from tests.http.browser import Browser
from tests.session.steps import Do, Step, over_http, over_post, over_socket
from tests.wire import Socket

AWAY = "Session store unavailable"
ADA = ("ada", {"cart": {"tea": 2}})


async def log_in(session: Session) -> None:
    """A step: to be Ada, with her cart."""
    session["cart"] = {"tea": 2}
    await session.set_user_id("ada")


def ways(browser: Browser, socket: Socket) -> list[Do]:
    """What runs a step, in each way; the socket is the browser's."""
    return [
        lambda step: over_socket(socket, browser.site.ss, step),
        lambda step: over_post(browser, step),
        lambda step: over_http(browser, step),
    ]


async def everywhere(browser: Browser, socket: Socket, step: Step) -> list[Any]:
    """What a step returns, in each way."""
    return [await do(step) for do in ways(browser, socket)]


async def refused(do: Do, step: Step, message: str = AWAY) -> None:
    """Assert that a step is answered -32010, with this message and no more."""
    with pytest.raises(RPCError) as caught:
        await do(step)
    assert (caught.value.code, caught.value.message, caught.value.data) == (-32010, message, None)


async def refused_everywhere(browser: Browser, socket: Socket, step: Step, message: str = AWAY) -> None:
    """Assert that a step is refused in each way, all at once, and that the cookie stays as it is."""
    before = browser.cookie
    await asyncio.gather(*(refused(do, step, message) for do in ways(browser, socket)))
    assert browser.cookie == before


def same_id(cookie: str, other: str) -> bool:
    """Whether two cookies are of one session."""
    return cookie.rpartition(".")[0] == other.rpartition(".")[0]
