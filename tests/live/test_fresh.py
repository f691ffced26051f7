"""A session that is not stored yet, and two servers that its browser talks to."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from rpc_sessions import RPCError, Session
from tests.http.browser import Browser
from tests.live.conftest import SOON, Serve
from tests.live.test_across import until
from tests.session.steps import look, over_http, over_socket, put


@pytest.mark.parametrize("user_id", [None, "ada"])
@pytest.mark.gen_test
async def test_a_waiting_socket_sees_what_http_stores_at_another_server(serve_two: Serve, user_id: str | None) -> None:
    async def first(session: Session) -> None:
        session["cart"] = [1]
        if user_id:
            await session.set_user_id(user_id)

    async with serve_two() as servers:
        browser = Browser(servers.one)
        async with browser.socket() as socket:
            elsewhere = servers.at_two(browser)
            await over_http(elsewhere, first)
            assert await over_socket(socket, servers.one.ss, look) == (user_id, {"cart": [1]})
            await over_socket(socket, servers.one.ss, put(more=1))
            assert await over_http(elsewhere, look) == (user_id, {"cart": [1], "more": 1})


@pytest.mark.gen_test
async def test_a_waiting_socket_is_told_of_a_log_in_at_another_server(serve_two: Serve) -> None:
    async with serve_two() as servers:
        browser = Browser(servers.one)
        async with browser.socket() as socket:
            await over_http(servers.at_two(browser), lambda session: session.set_user_id("ada"))

            async def heard() -> int:
                return servers.one.ss.publish.user("ada", "hello")

            await until(heard)
            assert await socket.event() == ("hello", [])


@pytest.mark.gen_test
async def test_two_tabs_at_two_servers_are_one_session(serve_two: Serve) -> None:
    """The second tab is at a server that does not know the id; its first save brings another one by ticket."""
    async with serve_two() as servers:
        browser = Browser(servers.one)
        async with browser.socket() as first:
            elsewhere = servers.at_two(browser)
            async with elsewhere.socket() as second:
                assert elsewhere.cookie == browser.cookie, "the first tab would lose its cookie"
                await over_socket(second, servers.two.ss, put(second=1))
                await elsewhere.take_ticket(second)
                await over_socket(first, servers.one.ss, put(first=1))
                both = (None, {"first": 1, "second": 1})
                assert await over_socket(second, servers.two.ss, look) == both
                assert await over_http(elsewhere, look) == both


@pytest.mark.gen_test
async def test_a_log_in_in_the_first_of_two_tabs_reaches_the_browser(serve_two: Serve) -> None:
    async with serve_two() as servers:
        browser = Browser(servers.one)
        async with browser.socket() as first, servers.at_two(browser).socket() as second:
            await over_socket(first, servers.one.ss, lambda session: session.set_user_id("ada"))
            await browser.take_ticket(first)
            assert await over_http(browser, look) == ("ada", {})
            # Nothing shows that the second tab is not somebody else with an old cookie: it comes back with the new one.
            with pytest.raises((RPCError, ConnectionClosed)):
                await over_socket(second, servers.two.ss, look)
            assert (await second.closed(SOON))[0] == 4401


@pytest.mark.gen_test
async def test_first_saves_at_two_servers_at_once_are_one_session(serve_two: Serve) -> None:
    async with serve_two() as servers:
        for _ in range(10):
            browser = Browser(servers.one)
            async with browser.socket() as first:
                elsewhere = servers.at_two(browser)

                async def by_http(browser: Browser = elsewhere) -> Any:
                    return await over_http(browser, put(http=1))

                await asyncio.gather(by_http(), over_socket(first, servers.one.ss, put(socket=1)))
                assert await over_http(elsewhere, look) == (None, {"http": 1, "socket": 1})
                assert await over_socket(first, servers.one.ss, look) == (None, {"http": 1, "socket": 1})
