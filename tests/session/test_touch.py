"""Pushing the expiry out: by use alone, in few writes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from rpc_sessions import Session
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.session.steps import Way, every_way, http, over_http, put, session_server
from tests.stores.doubles import WatchedStore


@every_way
@pytest.mark.gen_test
async def test_a_touch_is_written_once_per_touch_after(way: Way, make_server: MakeServer) -> None:
    def touch(session: Session) -> None:
        session.touch()
        session.update()

    store = WatchedStore()
    ss = session_server(make_server, store, max_age=100, touch_after=2)
    async with serving(ss) as site, way(site) as do:
        await do(put(a=1))
        store.forget()
        for _ in range(5):
            await do(touch)
        assert store.writes == []
        await asyncio.sleep(2.05)
        await do(dict)  # use alone is enough
        assert store.writes == ["touch"]
        for _ in range(5):
            await do(touch)
        assert store.writes == ["touch"]
        assert await do(lambda session: session.expires.timestamp() - time.time()) > 98.5


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
    async with serving(session_server(make_server, store, max_age=100, touch_after=2)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        site.ss.api.steps["look"] = _nothing
        assert set_cookies(await browser.get("/do?step=look")) == []
        await asyncio.sleep(2.05)
        (cookie,) = set_cookies(await browser.get("/do?step=look"))
        assert "Max-Age=100;" in cookie
        assert set_cookies(await browser.get("/do?step=look")) == []
        async with browser.socket() as socket:  # each handshake renews it: a WebSocket cannot later
            assert socket.connection.response is not None
            assert "Max-Age=100;" in socket.connection.response.headers["Set-Cookie"]


async def _nothing(session: Session) -> None:
    """Use the session, and change nothing."""
