"""How long a session lives: idle, absolute, its own; and that pushing the expiry out costs few writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rpc_sessions import RPCError, Server, Session, SessionGone
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.session.steps import WAYS, Do, Way, http, line, over_http, over_socket, put, session_server, websocket
from tests.stores.doubles import WatchedStore

every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
SECOND = timedelta(seconds=1)


@every_way
@pytest.mark.gen_test
async def test_the_properties_say_how_long(way: Way, make_server: MakeServer) -> None:
    def check(session: Session) -> None:
        now = datetime.now(UTC)
        assert session.max_age == timedelta(days=30)
        assert abs(session.created - now) < SECOND
        assert abs(session.expires - now - session.max_age) < SECOND

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
        for span in (0, -1, float("nan"), float("inf"), 1e300, timedelta(0), timedelta.max):
            with pytest.raises((ValueError, OverflowError)):
                session.max_age = span  # type: ignore[assignment]  # mypy takes the getter's type
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
        response = await browser.get("/do?step=" + await named(site.ss, put(b=1)))
        assert "Max-Age=31536000;" in set_cookies(response)[0]
        async with browser.socket() as socket:
            assert socket.connection.response is not None
            assert "Max-Age=31536000;" in socket.connection.response.headers["Set-Cookie"]
            await over_socket(socket, site.ss, lambda session: session.set_user_id("ada"))
            _, params = await socket.event()
            response = await browser.post_json("/rpc/session", dict(params))
            assert "Max-Age=31536000;" in set_cookies(response)[0]


async def named(ss: Any, step: Any) -> str:
    """A step under a name, for a request that is made by hand."""
    ss.api.steps["named"] = step
    return "named"


async def in_all_ways(ss: Server, scenario: Callable[[Way, Do], Awaitable[None]]) -> None:
    """A scenario that takes time, in all ways at once."""

    async def one(way: Way) -> None:
        async with way(site) as do:
            await scenario(way, do)

    async with serving(ss) as site:
        await asyncio.gather(*(one(way) for way in WAYS))


async def ended(way: Way, do: Do) -> None:
    """The session is over: -32001 over a WebSocket, somebody new elsewhere."""
    if way is websocket:
        with pytest.raises(RPCError) as caught:
            await do(dict)
        assert caught.value.code == -32001
    else:
        assert await do(dict) == {}
        assert await do(lambda session: session.is_new)


@pytest.mark.gen_test
async def test_an_idle_session_ends_and_a_used_one_does_not(make_server: MakeServer) -> None:
    async def scenario(way: Way, do: Do) -> None:
        await do(put(a=1))
        for _ in range(3):
            await asyncio.sleep(0.4)
            assert await do(dict) == {"a": 1}
        await asyncio.sleep(1.05)
        await ended(way, do)

    await in_all_ways(session_server(make_server, max_age=1), scenario)


@pytest.mark.gen_test
async def test_a_short_max_age_of_its_own_is_pushed_out_too(make_server: MakeServer) -> None:
    """A tenth of the server's max_age would be three days."""

    async def short(session: Session) -> None:
        session["a"] = 1
        session.max_age = 1
        await session.save()

    async def scenario(way: Way, do: Do) -> None:
        await do(short)
        for _ in range(3):
            await asyncio.sleep(0.4)
            assert await do(dict) == {"a": 1}

    await in_all_ways(session_server(make_server), scenario)


@pytest.mark.gen_test
async def test_absolute_max_age_ends_a_session_however_much_it_is_used(make_server: MakeServer) -> None:
    async def rotate(session: Session) -> None:
        begun = session.created
        await session.regenerate()
        assert session.created == begun, "a rotation made the session young again"
        assert session.expires <= begun + SECOND

    async def scenario(way: Way, do: Do) -> None:
        await do(put(a=1))
        await do(rotate)
        await asyncio.sleep(0.6)
        await do(put(b=1))
        await do(lambda session: session.touch())
        assert await do(dict) == {"a": 1, "b": 1}
        await asyncio.sleep(0.6)
        await ended(way, do)

    await in_all_ways(session_server(make_server, absolute_max_age=1), scenario)


@pytest.mark.gen_test
async def test_a_session_that_expires_during_a_call_is_not_brought_back(make_server: MakeServer) -> None:
    async def late(session: Session) -> None:
        session["b"] = 1
        await asyncio.sleep(1.1)
        for write in (session.save, session.regenerate, session.load):
            with pytest.raises(SessionGone):
                await write()

    async with serving(session_server(make_server, max_age=1)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with line(browser) as one:
            await one.do(late)
            with pytest.raises(RPCError):
                await one.do(dict)
        assert await over_http(browser, dict) == {}


# -- touch -------------------------------------------------------------------------------------------


@every_way
@pytest.mark.gen_test
async def test_a_touch_is_written_once_per_touch_after(way: Way, make_server: MakeServer) -> None:
    def touch(session: Session) -> None:
        session.touch()
        session.update()

    store = WatchedStore()
    ss = session_server(make_server, store, max_age=100, touch_after=0.5)
    async with serving(ss) as site, way(site) as do:
        await do(put(a=1))
        store.forget()
        for _ in range(5):
            await do(touch)
        assert store.writes == []
        await asyncio.sleep(0.55)
        await do(dict)  # use alone is enough
        assert store.writes == ["touch"]
        for _ in range(5):
            await do(touch)
        assert store.writes == ["touch"]
        assert await do(lambda session: session.expires.timestamp() - time.time()) > 99.7


@pytest.mark.parametrize(
    ("max_age", "touch_after", "due"),
    [(100, None, 10), (100, 0, 0), (100, 30, 30), (10, 3600, 5)],
    ids=["a tenth", "always", "as set", "longer than max_age"],
)
@pytest.mark.gen_test
async def test_when_a_touch_is_due(make_server: MakeServer, max_age: Any, touch_after: Any, due: Any) -> None:
    async def age(session: Session, by: float) -> None:
        await store.inner.touch(session.claim.key, time.time() + max_age - by)

    store = WatchedStore()
    ss = session_server(make_server, store, max_age=max_age, touch_after=touch_after)
    async with serving(ss) as site, http(site) as do:
        await do(put(a=1))
        for by, touches in ((due - 0.5, 0), (due + 0.5, 1)):
            await do(lambda session, by=by: age(session, by))  # type: ignore[misc]
            store.forget()
            await do(dict)
            assert store.count["touch"] == (touches if due else 1)


@pytest.mark.gen_test
async def test_over_http_a_written_touch_renews_the_cookie_and_nothing_else_does(make_server: MakeServer) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store, max_age=100, touch_after=0.3)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        step = await named(site.ss, _nothing)
        assert set_cookies(await browser.get(f"/do?step={step}")) == []
        await asyncio.sleep(0.35)
        (cookie,) = set_cookies(await browser.get(f"/do?step={step}"))
        assert "Max-Age=100;" in cookie
        assert set_cookies(await browser.get(f"/do?step={step}")) == []
        async with browser.socket() as socket:
            assert socket.connection.response is not None
            assert "Set-Cookie" not in socket.connection.response.headers
        await asyncio.sleep(0.35)
        async with browser.socket() as socket:
            assert socket.connection.response is not None
            assert "Max-Age=100;" in socket.connection.response.headers["Set-Cookie"]


async def _nothing(session: Session) -> None:
    """Use the session, and change nothing."""
