"""Pushing the expiry out: by use alone, in few writes."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import pytest

from rpc_sessions import Session
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.session.steps import Way, every_way, http, over_http, put, session_server
from tests.stores.doubles import WatchedStore


async def age(store: WatchedStore, session: Session, by: float) -> None:
    """A step: so many seconds have passed since the session was used."""
    assert session.max_age
    await store.inner.touch(session.claim.key, time.time() + session.max_age.total_seconds() - by)


@every_way
@pytest.mark.gen_test
async def test_a_touch_is_written_once_per_touch_after(way: Way, make_server: MakeServer) -> None:
    def touch(session: Session) -> None:
        session.touch()
        session.update()

    store = WatchedStore()
    ss = session_server(make_server, store, max_age=1000, touch_after=100)
    async with serving(ss) as site, way(site) as do:
        await do(put(a=1))
        store.forget()
        for _ in range(5):
            await do(touch)
        assert store.writes == []
        await do(partial(age, store, by=100))
        await do(dict)  # use alone is enough
        assert store.writes == ["touch"]
        for _ in range(5):
            await do(touch)
        assert store.writes == ["touch"]
        assert await do(lambda session: session.expires.timestamp() - time.time()) > 950


@pytest.mark.parametrize(
    ("max_age", "touch_after", "due"),
    [(1000, None, 100), (1000, 0, 0), (1000, 300, 300), (100, 3600, 50)],
    ids=["a tenth", "always", "as set", "longer than max_age"],
)
@pytest.mark.gen_test
async def test_when_a_touch_is_due(make_server: MakeServer, max_age: Any, touch_after: Any, due: Any) -> None:
    store = WatchedStore()
    ss = session_server(make_server, store, max_age=max_age, touch_after=touch_after)
    async with serving(ss) as site, http(site) as do:
        await do(put(a=1))
        for by, touches in ((due - 5, 0), (due, 1)):
            await do(partial(age, store, by=by))
            store.forget()
            await do(dict)
            assert store.count["touch"] == (touches if due else 1)


@pytest.mark.gen_test
async def test_over_http_a_written_touch_renews_the_cookie_and_nothing_else_does(make_server: MakeServer) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store, max_age=1000, touch_after=100)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        site.ss.api.steps["look"] = _nothing
        assert set_cookies(await browser.get("/do?step=look")) == []
        await over_http(browser, partial(age, store, by=100))
        (cookie,) = set_cookies(await browser.get("/do?step=look"))
        assert "Max-Age=1000;" in cookie
        assert set_cookies(await browser.get("/do?step=look")) == []
        async with browser.socket() as socket:  # each handshake renews it: a WebSocket cannot later
            assert socket.connection.response is not None
            assert "Max-Age=1000;" in socket.connection.response.headers["Set-Cookie"]


async def _nothing(session: Session) -> None:
    """Use the session, and change nothing."""
