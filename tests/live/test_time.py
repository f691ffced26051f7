"""What time does to the session of an open socket: it ends, and the user who is there keeps it alive."""

from __future__ import annotations

import asyncio
import time

import pytest

from rpc_sessions import Session
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.session.steps import FILES, look, over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore

NO_SESSION = """
    def actions(req, res, ss):
        async def hello():
            return "hello"
        return [hello]
"""


@pytest.mark.parametrize("option", ["max_age", "absolute_max_age"])
@pytest.mark.gen_test
async def test_a_session_that_expires_closes_its_sockets(make_server: MakeServer, option: str) -> None:
    async with serving(session_server(make_server, None, **{option: 3})) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            assert await socket.closed() == (4401, "session ended")


@pytest.mark.gen_test
async def test_a_session_whose_own_max_age_is_short_closes_its_sockets(make_server: MakeServer) -> None:
    async def short(session: Session) -> None:
        session.max_age = 3
        await session.save()

    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, short)
        async with browser.socket() as socket:
            assert await socket.closed() == (4401, "session ended")


@pytest.mark.gen_test
async def test_calls_keep_a_session_alive_even_if_they_do_not_use_it(make_server: MakeServer) -> None:
    store = WatchedStore()
    ss = make_server(FILES | {"rpc/plain.py": NO_SESSION})
    ss.api.steps = {}
    ss.session.options.max_age = 5
    ss.session.store.use(store)
    async with serving(ss) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            await over_socket(socket, ss, put(a=1))
            store.forget()
            start = time.monotonic()
            while time.monotonic() < start + 6:
                await asyncio.sleep(0.3)
                assert await socket.result("plain.hello") == "hello"
            assert await over_socket(socket, ss, look) == (None, {"a": 1})
            assert 1 <= store.count["touch"] <= time.monotonic() - start + 2, "touches are throttled"


@pytest.mark.gen_test
async def test_heartbeats_do_not_keep_a_session_alive(make_server: MakeServer) -> None:
    ss = session_server(make_server, max_age=3)
    ss.options.ping_interval = 0.2
    async with serving(ss) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            await over_socket(socket, ss, put(a=1))
            assert await socket.closed() == (4401, "session ended")


@pytest.mark.gen_test
async def test_a_session_used_elsewhere_does_not_expire_here(make_server: MakeServer) -> None:
    """Its expiry was pushed out in the store, and this server has not heard of that."""
    async with serving(session_server(make_server, max_age=5)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            for _ in range(12):
                await asyncio.sleep(0.5)
                await over_http(browser, look)
            assert await over_socket(socket, site.ss, look) == (None, {"a": 1})


@pytest.mark.gen_test
async def test_a_store_that_is_away_closes_nobody(make_server: MakeServer) -> None:
    store = WatchedStore(shared=True)
    async with serving(session_server(make_server, store, max_age=3, poll_interval=0.1)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            store.down = True
            with pytest.raises(TimeoutError):
                await socket.receive(4.5)
            store.down = False
            assert await socket.closed() == (4401, "session ended"), "it has expired meanwhile"
