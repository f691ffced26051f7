"""Session fixation: Eve has a good cookie of a session of her own, and puts it into Ada's browser before Ada logs in.

How she gets it there the server cannot see: from a page of a subdomain, or over http. See test_chromium.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.security.people import NOBODY, destroy, log_in, log_out
from tests.session.steps import look, over_http, over_post, over_socket, put, session_server
from tests.wire import Socket

LogIn = Callable[[Browser], Awaitable[Any]]


async def by_http(ada: Browser) -> None:
    await over_http(ada, log_in)


async def by_post(ada: Browser) -> None:
    await over_post(ada, log_in)


async def by_websocket(ada: Browser) -> None:
    async with ada.socket() as socket:
        await over_socket(socket, ada.site.ss, log_in)
        await ada.take_ticket(socket)


ways = pytest.mark.parametrize("logs_in", [by_http, by_post, by_websocket])
stored = pytest.mark.parametrize("stored", [True, False], ids=["stored", "of a handshake"])


@asynccontextmanager
async def planted(site: Site, *, stored: bool) -> AsyncIterator[tuple[Browser, Browser, Socket]]:
    """Eve, Ada with Eve's cookie, and a WebSocket that Eve keeps open."""
    eve = Browser(site)
    if stored:
        await over_http(eve, put(bait=1))
    async with eve.socket() as socket:
        yield eve, Browser(site, eve.cookie), socket


@ways
@stored
@pytest.mark.gen_test
async def test_a_planted_cookie_is_nobodys_after_the_log_in(
    logs_in: LogIn, stored: bool, make_server: MakeServer
) -> None:
    async with serving(session_server(make_server)) as site:
        async with planted(site, stored=stored) as (eve, ada, _):
            before = ada.id
            await logs_in(ada)
            assert ada.id not in (before, None)
            assert (await over_http(ada, look))[0] == "ada"
            assert (await over_http(eve, look))[0] is None
        assert (await over_post(eve, look))[0] is None
        async with Browser(site, eve.cookie).socket() as again:
            assert (await over_socket(again, site.ss, look))[0] is None


@ways
@stored
@pytest.mark.gen_test
async def test_but_a_socket_that_shares_the_session_follows_until_it_ends(
    logs_in: LogIn, stored: bool, make_server: MakeServer
) -> None:
    """The limit that docs/security.md names: whoever shares a session before the log-in shares it after it."""
    async with serving(session_server(make_server)) as site, planted(site, stored=stored) as (_, ada, socket):
        await logs_in(ada)
        assert (await over_socket(socket, site.ss, look))[0] == "ada"
        await over_http(ada, log_out)
        assert (await over_socket(socket, site.ss, look))[0] is None
        await over_http(ada, destroy)
        assert await socket.closed() == (4401, "session ended")


@pytest.mark.gen_test
async def test_a_session_that_was_ended_before_is_shared_with_nobody(make_server: MakeServer) -> None:
    """What an application can do that has no https: end the session when it shows its log-in form."""
    async with serving(session_server(make_server)) as site:
        async with planted(site, stored=True) as (eve, ada, socket):
            await over_http(ada, destroy)
            assert await socket.closed() == (4401, "session ended")
            await over_http(ada, log_in)
        async with eve.socket() as socket:
            assert await over_socket(socket, site.ss, look) == NOBODY
            assert await over_http(ada, look) == ("ada", {})
