"""How long a session lives: idle, absolute, its own; and that pushing the expiry out costs few writes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from rpc_sessions import RPCError, Server, Session, SessionGone
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.session.steps import WAYS, Do, Way, every_way, over_http, over_socket, put, session_server, websocket

SECOND = timedelta(seconds=1)


@every_way
@pytest.mark.gen_test
async def test_the_properties_say_how_long(way: Way, make_server: MakeServer) -> None:
    def check(session: Session) -> None:
        now = datetime.now(UTC)
        assert session.max_age == timedelta(days=30)
        assert abs(session.created - now) < 15 * SECOND
        assert abs(session.expires - now - session.max_age) < 15 * SECOND

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(check)
        await do(put(a=1))
        await do(check)


@every_way
@pytest.mark.gen_test
async def test_a_session_of_its_own_max_age(way: Way, make_server: MakeServer) -> None:
    async def remember(session: Session) -> None:
        session["a"] = 1
        session.max_age = timedelta(days=365)
        assert session.changed
        await session.save()
        assert session.expires - session.created > timedelta(days=364)

    async def wrong(session: Session) -> None:
        span: Any
        for span in (0, -1, float("nan"), float("inf"), 1e300, timedelta(0), timedelta.max):
            with pytest.raises(ValueError):
                session.max_age = span
        for span in ("1", None, True, [1]):
            with pytest.raises(TypeError):
                session.max_age = span
        assert not session.changed

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(remember)
        await do(wrong)
        assert await do(lambda session: session.max_age) == timedelta(days=365)
        await do(lambda session: session.regenerate())
        assert await do(lambda session: session.max_age) == timedelta(days=365)


@pytest.mark.gen_test
async def test_the_cookie_lives_as_long_as_the_session(make_server: MakeServer) -> None:
    """Over HTTP, on the handshake, and by ticket."""

    async def remember(session: Session) -> None:
        session.max_age = timedelta(days=365)
        await session.save()

    async with serving(session_server(make_server, touch_after=0)) as site:
        browser = Browser(site)
        await over_http(browser, remember)
        site.ss.api.steps["put"] = put(b=1)
        response = await browser.get("/do?step=put")
        assert "Max-Age=31536000;" in set_cookies(response)[0]
        async with browser.socket() as socket:
            assert socket.connection.response is not None
            assert "Max-Age=31536000;" in socket.connection.response.headers["Set-Cookie"]
            await over_socket(socket, site.ss, lambda session: session.set_user_id("ada"))
            _, params = await socket.event()
            response = await browser.post_json("/rpc/session", dict(params))
            assert "Max-Age=31536000;" in set_cookies(response)[0]


async def in_all_ways(ss: Server, scenario: Callable[[Way, Do], Awaitable[None]]) -> None:
    """A scenario that takes time, in all ways at once."""

    async def one(way: Way) -> None:
        async with way(site) as do:
            await scenario(way, do)

    async with serving(ss) as site:
        await asyncio.gather(*(one(way) for way in WAYS))


async def ended(way: Way, do: Do) -> None:
    """The session is over: -32001 over a WebSocket, unless that is closed by now; somebody new elsewhere."""
    if way is websocket:
        with pytest.raises((RPCError, ConnectionClosed)) as caught:
            await do(dict)
        error = caught.value
        assert error.code == -32001 if isinstance(error, RPCError) else "4401" in str(error)
    else:
        assert await do(dict) == {}
        assert await do(lambda session: session.is_new)


@pytest.mark.gen_test
async def test_an_idle_session_ends_and_a_used_one_does_not(make_server: MakeServer) -> None:
    async def scenario(way: Way, do: Do) -> None:
        await do(put(a=1))
        await outlives(3, do)
        await asyncio.sleep(3.1)
        await ended(way, do)

    await in_all_ways(session_server(make_server, max_age=3), scenario)


async def outlives(max_age: float, do: Do) -> None:
    """Assert that a session that is used now and then lives for longer than its max_age."""
    loop = asyncio.get_running_loop()
    end = loop.time() + 1.5 * max_age
    while loop.time() < end:
        await asyncio.sleep(max_age / 10)
        assert await do(dict) == {"a": 1}


@pytest.mark.gen_test
async def test_a_short_max_age_of_its_own_is_pushed_out_too(make_server: MakeServer) -> None:
    """A tenth of the server's max_age would be three days."""

    async def short(session: Session) -> None:
        session["a"] = 1
        session.max_age = 3
        await session.save()

    async def scenario(way: Way, do: Do) -> None:
        await do(short)
        await outlives(3, do)

    await in_all_ways(session_server(make_server), scenario)


@pytest.mark.gen_test
async def test_absolute_max_age_ends_a_session_however_much_it_is_used(make_server: MakeServer) -> None:
    async def rotate(session: Session) -> None:
        begun = session.created
        await session.regenerate()
        assert session.created == begun, "a rotation made the session young again"
        assert session.expires <= begun + 5 * SECOND

    async def scenario(way: Way, do: Do) -> None:
        await do(put(a=1))
        await do(rotate)
        await asyncio.sleep(1.5)
        await do(put(b=1))
        await do(lambda session: session.touch())
        assert await do(dict) == {"a": 1, "b": 1}
        await asyncio.sleep(3.6)
        await ended(way, do)

    await in_all_ways(session_server(make_server, absolute_max_age=5), scenario)


@pytest.mark.gen_test
async def test_a_session_that_expires_during_a_call_is_not_brought_back(make_server: MakeServer) -> None:
    async def late(session: Session) -> None:
        session["b"] = 1
        await asyncio.sleep(3.1)
        for write in (session.regenerate, session.load):
            with pytest.raises(SessionGone):
                await write()
        await session.save()

    async with serving(session_server(make_server, max_age=3)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        with pytest.raises(SessionGone):
            await over_http(browser, late)
        assert await over_http(browser, dict) == {}
