"""What one server does to a session, the open sockets of another know: ended, moved, changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from rpc_sessions import RPCError, Session
from tests.http.browser import Browser
from tests.live.conftest import SOON, Serve
from tests.session.steps import look, over_http, over_socket, put
from tests.wire import Socket


async def until(check: Callable[[], Awaitable[object]], within: float = SOON) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within):
        while not await check():  # noqa: ASYNC110 (what is awaited is in another server)
            await asyncio.sleep(0.05)


async def told(socket: Socket) -> object:
    """The params of the next rpc.session event."""
    name, params = await socket.event(SOON)
    assert name == "rpc.session"
    return params


@pytest.mark.parametrize("cause", ["HTTP", "a socket", "by its key", "end_all"])
@pytest.mark.gen_test
async def test_a_session_that_is_ended_elsewhere_closes_its_sockets(serve_two: Serve, cause: str) -> None:
    async with serve_two() as servers:
        browser = Browser(servers.one)
        await over_http(browser, lambda session: session.set_user_id("ada"))
        async with servers.at_two(browser).socket() as socket, browser.socket() as beside:
            ss = servers.one.ss
            if cause == "HTTP":
                await over_http(browser, lambda session: session.destroy())
            elif cause == "a socket":
                await over_socket(beside, ss, lambda session: session.destroy())
            elif cause == "by its key":
                [info] = await ss.session.of_user("ada")
                assert await ss.session.end(info.key)
            else:
                assert await ss.session.end_all("ada") == 1
            assert await socket.closed(SOON) == (4401, "session ended")


@pytest.mark.parametrize("by", ["HTTP", "a socket"])
@pytest.mark.gen_test
async def test_sockets_follow_a_log_in_elsewhere_without_asking(serve_two: Serve, by: str) -> None:
    async with serve_two() as servers:
        browser = Browser(servers.one)
        await over_http(browser, put(cart=[1]))
        old = browser.cookie
        async with servers.at_two(browser).socket() as socket, browser.socket() as beside:
            if by == "HTTP":
                await over_http(browser, lambda session: session.set_user_id("ada"))
            else:
                await over_socket(beside, servers.one.ss, lambda session: session.set_user_id("ada"))
                await browser.take_ticket(beside)
            assert browser.cookie != old

            async def heard() -> int:
                return servers.two.ss.publish.user("ada", "hello")

            await until(heard)
            assert await socket.event() == ("hello", [])
            assert await over_socket(socket, servers.two.ss, look) == ("ada", {"cart": [1]})
            await over_socket(socket, servers.two.ss, put(more=2))
            assert await over_http(browser, look) == ("ada", {"cart": [1], "more": 2})
            await over_http(browser, lambda session: session.destroy())
            assert await socket.closed(SOON) == (4401, "session ended")


@pytest.mark.gen_test
async def test_a_call_right_after_a_log_in_elsewhere_is_logged_in(serve_two: Serve) -> None:
    """Before the store has told anything."""
    async with serve_two(poll_interval=60) as servers:
        browser = Browser(servers.one)
        await over_http(browser, put(cart=[1]))
        async with servers.at_two(browser).socket() as socket:
            for user_id in ("ada", "eve", None, "ada"):
                await over_http(browser, partial(Session.set_user_id, user_id=user_id))
                assert await over_socket(socket, servers.two.ss, look) == (user_id, {"cart": [1]})


@pytest.mark.gen_test
async def test_a_save_beside_a_log_in_elsewhere_is_not_lost(serve_two: Serve) -> None:
    async with serve_two() as servers:
        browser = Browser(servers.one)
        await over_http(browser, put(cart=[1]))

        async def slow(session: Any) -> None:
            session["beside"] = True
            await over_http(browser, lambda session: session.set_user_id("ada"))
            await session.save()
            assert look(session) == ("ada", {"cart": [1], "beside": True})

        async with servers.at_two(browser).socket() as socket:
            await over_socket(socket, servers.two.ss, slow)
        assert await over_http(browser, look) == ("ada", {"cart": [1], "beside": True})


@pytest.mark.gen_test
async def test_a_log_out_beside_a_log_in_elsewhere_ends_it(serve_two: Serve) -> None:
    async with serve_two() as servers:
        browser = Browser(servers.one)
        await over_http(browser, put(cart=[1]))

        async def out(session: Any) -> None:
            await over_http(browser, lambda session: session.set_user_id("ada"))
            await session.destroy()

        async with servers.at_two(browser).socket() as socket:
            await over_socket(socket, servers.two.ss, out)
        assert await over_http(browser, look) == (None, {})
        assert await servers.one.ss.session.of_user("ada") == []


@pytest.mark.gen_test
async def test_changes_elsewhere_are_told_to_who_asked_for_it(serve_two: Serve) -> None:
    async with serve_two(notify_changes=True) as servers:
        browser = Browser(servers.one)
        await over_http(browser, put(cart=[1], name="ada"))
        async with servers.at_two(browser).socket() as socket, browser.socket() as author:
            await over_socket(author, servers.one.ss, put(cart=[1, 2], color="red"))
            assert await told(socket) == {"changed": ["cart", "color"]}
            await over_http(browser, lambda session: session.pop("name"))
            assert await told(socket) == {"changed": ["name"]}
            assert await told(author) == {"changed": ["name"]}
            await over_http(browser, lambda session: session.touch())
            with pytest.raises(TimeoutError):
                await author.receive(0.5)


@pytest.mark.gen_test
async def test_a_first_save_and_a_log_in_are_changes_too(serve_two: Serve) -> None:
    async with serve_two(notify_changes=True) as servers:
        browser = Browser(servers.one)
        async with browser.socket() as socket, browser.socket() as author:
            await over_socket(author, servers.one.ss, put(cart=[1]))
            assert await told(socket) == {"changed": ["cart"]}
            async with servers.at_two(browser).socket() as elsewhere:
                await over_http(browser, partial(Session.set_user_id, user_id="ada"))
                for each in (socket, author, elsewhere):
                    assert await told(each) == {"changed": []}


@pytest.mark.gen_test
async def test_changes_are_not_told_unasked(serve_two: Serve) -> None:
    async with serve_two() as servers:
        browser = Browser(servers.one)
        await over_http(browser, put(cart=[1]))
        async with servers.at_two(browser).socket() as socket:
            await over_http(browser, put(cart=[2]))
            with pytest.raises(TimeoutError):
                await socket.receive(1)


@pytest.mark.gen_test
async def test_the_old_cookie_opens_nothing_elsewhere(serve_two: Serve) -> None:
    async with serve_two() as servers:
        browser = Browser(servers.one)
        await over_http(browser, put(cart=[1]))
        stolen = servers.at_two(browser)
        await over_http(browser, lambda session: session.set_user_id("ada"))
        async with stolen.socket() as socket:
            assert await over_socket(socket, servers.two.ss, look) == (None, {})
        assert await over_http(stolen, look) == (None, {})


@pytest.mark.gen_test
async def test_a_dead_cookie_follows_nobody(serve_two: Serve) -> None:
    """It waits in an open socket until its owner logs in again with the same dead cookie."""
    async with serve_two() as servers:
        browser = Browser(servers.one)
        await over_http(browser, put(cart=[1]))
        dead = browser.cookie
        await over_http(browser, lambda session: session.destroy())
        async with servers.at_two(Browser(servers.one, dead)).socket() as thief:
            victim = Browser(servers.one, dead)
            await over_http(victim, lambda session: session.set_user_id("ada"))
            with pytest.raises((RPCError, ConnectionClosed)):
                await over_socket(thief, servers.two.ss, look)
            assert (await thief.closed(SOON))[0] == 4401


@pytest.mark.parametrize("make_store", ["redis", "postgresql", "mongodb"], indirect=True)
@pytest.mark.gen_test
async def test_a_store_that_tells_needs_no_polling(serve_two: Serve) -> None:
    async with serve_two(poll_interval=3600, notify_changes=True) as servers:
        await asyncio.sleep(1)  # until both listen
        browser = Browser(servers.one)
        await over_http(browser, put(cart=[1]))
        async with servers.at_two(browser).socket() as socket:
            await over_http(browser, put(cart=[2]))
            assert await told(socket) == {"changed": ["cart"]}
            await over_http(browser, partial(Session.set_user_id, user_id="ada"))
            assert await told(socket) == {"changed": []}
            await servers.one.ss.session.end_all("ada")
            assert await socket.closed(SOON) == (4401, "session ended")
