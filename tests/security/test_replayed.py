"""Cookies and tickets that were good, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.security.people import ADA, NOBODY, destroy, log_in, log_out, logged_in, regenerate
from tests.session.steps import Step, look, over_http, over_post, over_socket, session_server
from tests.wire import Socket

Ending = Callable[[Site, Browser], Awaitable[Any]]


async def end_all(site: Site, ada: Browser) -> None:
    assert await site.ss.session.end_all("ada") == 1


async def end_one(site: Site, ada: Browser) -> None:
    (info,) = await site.ss.session.of_user("ada")
    assert await site.ss.session.end(info.key)


async def expire(site: Site, ada: Browser) -> None:
    await over_http(ada, lambda session: session.store.touch(session.claim.key, 1.0))


async def grow_old(site: Site, ada: Browser) -> None:
    site.ss.session.options.absolute_max_age = 1
    site.ss.session.start()
    await asyncio.sleep(1.1)


def by(step: Step) -> Ending:
    return lambda site, ada: over_http(ada, step)


ENDINGS: dict[str, Ending] = {
    "log-out": by(log_out),
    "another log-in": by(log_in),
    "regenerate": by(regenerate),
    "destroy": by(destroy),
    "end_all": end_all,
    "end": end_one,
    "unused for too long": expire,
    "too old": grow_old,
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
@pytest.mark.gen_test
async def test_a_cookie_that_was_copied_is_worth_nothing_after_the_end(ending: Ending, make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        ada = await logged_in(site)
        copies = [Browser(site, ada.cookie) for _ in range(3)]
        assert [await over_http(thief, look) for thief in copies] == [ADA] * 3
        await ending(site, ada)
        assert await over_http(copies[0], look) == NOBODY
        assert await over_post(copies[1], look) == NOBODY
        async with copies[2].socket() as socket:
            assert await over_socket(socket, site.ss, look) == NOBODY


async def over_the_socket(site: Site, socket: Socket, step: Step) -> Any:
    return await over_socket(socket, site.ss, step)


MOVES = {"regenerate": regenerate, "logging in once more": log_in}
IN_THE_GRACE: dict[str, Callable[[Site, Socket], Awaitable[Any]]] = {
    "log-out": lambda site, socket: over_the_socket(site, socket, log_out),
    "destroy": lambda site, socket: over_the_socket(site, socket, destroy),
    "another user": lambda site, socket: over_the_socket(site, socket, lambda session: session.set_user_id("bob")),
    "end_all": lambda site, socket: site.ss.session.end_all("ada"),
    "regenerate, then log-out": lambda site, socket: over_the_socket(site, socket, twice),
}


async def twice(session: Any) -> None:
    await session.regenerate()
    await session.set_user_id(None)


@pytest.mark.parametrize("ending", IN_THE_GRACE.values(), ids=IN_THE_GRACE.keys())
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES.keys())
@pytest.mark.gen_test
async def test_an_end_ends_the_grace_of_the_id_before(
    ending: Callable[[Site, Socket], Awaitable[Any]], move: Step, make_server: MakeServer
) -> None:
    """Ada's socket has moved to a new id, and no ticket was exchanged: for 10 seconds the old cookie may read on."""
    async with serving(session_server(make_server)) as site:
        ada = await logged_in(site)
        thief, late = Browser(site, ada.cookie), Browser(site, ada.cookie)
        async with ada.socket() as socket:
            await over_socket(socket, site.ss, move)
            assert await over_http(thief, look) == ADA, "the old cookie reads until the browser has the new one"
            async with late.socket() as waiting:
                assert await over_socket(waiting, site.ss, look) == ADA
                await ending(site, socket)
                assert await over_http(thief, look) == NOBODY
                assert await over_post(thief, look) == NOBODY
                assert await over_socket(waiting, site.ss, look) == NOBODY
