"""destroy, and sessions that end elsewhere: what the sockets of the session hear."""

from __future__ import annotations

from typing import Any

import pytest

from rpc_sessions import RPCError, Session, SessionGone
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.session.steps import Way, every_way, look, over_http, over_post, over_socket, put, session_server
from tests.stores.doubles import WatchedStore, session_at
from tests.wire import Socket


async def fill(session: Session) -> None:
    session["a"] = 1
    await session.set_user_id("ada")


@every_way
@pytest.mark.gen_test
async def test_a_destroyed_session_is_empty_and_cannot_be_written(way: Way, make_server: MakeServer) -> None:
    async def destroy(session: Session) -> None:
        key = session.claim.key
        await session.destroy()
        assert (dict(session), session.changed, session.user_id, session.is_new) == ({}, False, None, True)
        for write in (
            session.save, session.load, session.regenerate, session.destroy, session.channel.reset
        ):  # fmt: skip
            with pytest.raises(SessionGone):
                await write()
        with pytest.raises(SessionGone):
            await session.set_user_id("eve")
        with pytest.raises(SessionGone):
            await session.mutate(lambda session: session.update(b=1))
        assert await session_at(store.inner, key) is None

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site, way(site) as do:
        await do(fill)
        await do(destroy)
        assert await do(look) == (None, {})
        await do(put(b=2))
        assert await do(look) == (None, {"b": 2})


@pytest.mark.gen_test
async def test_destroy_over_a_socket_closes_the_others_and_this_one_begins_anew(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser, stranger = Browser(site), Browser(site)
        await over_http(browser, fill)
        await over_http(stranger, fill)
        ended = browser.id
        async with browser.socket() as one, browser.socket() as two, stranger.socket() as other:
            await over_socket(one, site.ss, lambda session: session.destroy())
            assert await two.closed() == (4401, "session ended")
            await browser.take_ticket(one)
            assert browser.id not in (ended, None)
            await over_socket(one, site.ss, put(b=2))
            assert await over_socket(one, site.ss, look) == (None, {"b": 2})
            assert await over_http(browser, look) == (None, {"b": 2}), "the browser was not told of the new id"
            assert await over_socket(other, site.ss, look) == ("ada", {"a": 1}), "another session was touched"
            async with browser.socket() as three:
                assert await over_socket(three, site.ss, look) == (None, {"b": 2})


@pytest.mark.parametrize("over", [over_http, over_post], ids=["a route", "POST"])
@pytest.mark.gen_test
async def test_destroy_over_http_closes_all_sockets_and_takes_the_cookie(make_server: MakeServer, over: Any) -> None:
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, fill)
        old = browser.cookie
        async with browser.socket() as one, browser.socket() as two:
            await over(browser, lambda session: session.destroy())
            assert browser.cookie == ""
            assert await one.closed() == (4401, "session ended")
            assert await two.closed() == (4401, "session ended")
        assert await over_http(Browser(site, old), look) == (None, {})


@pytest.mark.gen_test
async def test_the_cookie_that_is_taken_is_taken_where_it_was_set(make_server: MakeServer) -> None:
    ss = session_server(make_server)
    ss.session.options.cookie.path = "/app"
    ss.session.options.cookie.domain = "example.com"
    async with serving(ss) as site:
        browser = Browser(site)
        await over_http(browser, fill)
        ss.api.steps["end"] = lambda session: session.destroy()
        (cookie,) = set_cookies(await browser.get("/do?step=end"))
        assert cookie.startswith("connect.sid=; Max-Age=0; Path=/app; Domain=example.com;")


@pytest.mark.gen_test
async def test_destroying_what_was_never_stored_does_no_harm(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, lambda session: session.destroy())
        assert browser.cookie == ""
        async with browser.socket() as socket:
            await over_socket(socket, site.ss, lambda session: session.destroy())
            await over_socket(socket, site.ss, put(a=1))
            assert await over_socket(socket, site.ss, look) == (None, {"a": 1})


def by_id(site: Any, browser: Browser) -> str:
    return str(site.ss.session.key_for(browser.id))


@pytest.mark.parametrize("end", ["deleted", "expired"])
@pytest.mark.gen_test
async def test_a_session_that_ended_in_the_store_ends_its_sockets_at_their_next_call(
    make_server: MakeServer, end: str
) -> None:
    async def next_call(socket: Socket) -> None:
        with pytest.raises(RPCError) as caught:
            await over_socket(socket, site.ss, put(b=1))
        assert (caught.value.code, caught.value.message) == (-32001, "Session ended")
        assert await socket.closed() == (4401, "session ended")

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, fill)
        async with browser.socket() as one, browser.socket() as two:
            key = by_id(site, browser)
            await (store.inner.delete(key) if end == "deleted" else store.inner.touch(key, 1.0))
            await next_call(one)
            assert await two.closed() == (4401, "session ended")
        async with browser.socket() as again:  # with the dead cookie: somebody new
            assert await over_socket(again, site.ss, look) == (None, {})
        assert browser.id is not None
        assert by_id(site, browser) != key


@pytest.mark.gen_test
async def test_values_set_behind_a_destroy_are_not_lost_silently(make_server: MakeServer) -> None:
    async def careless(session: Session) -> None:
        await session.destroy()
        session["message"] = "bye"

    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, fill)
        with pytest.raises(RPCError) as caught:
            await over_http(browser, careless)
        assert caught.value.code == -32001
        assert browser.cookie == "", "the session is gone, and so must the cookie be"
