"""Notices of the store that come at a bad moment: none is lost, and none stops the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from rpc_sessions import Session, StoreUnavailable
from rpc_sessions.session.stores.memory import MemoryStore
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.live.conftest import SOON
from tests.logs import Logs
from tests.session.steps import look, over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore
from tests.waiting import Gate, until


class TellingStore(WatchedStore):
    """Two of these on one MemoryStore are two processes. It tells what ``tell`` is told."""

    def __init__(self, inner: MemoryStore) -> None:
        super().__init__(inner, shared=True)
        self.told: asyncio.Queue[str | None] = asyncio.Queue()
        self.asked = 0

    async def watch(self) -> AsyncIterator[str | None]:
        self.asked += 1
        if self.down:
            raise StoreUnavailable
        yield None
        while True:
            yield await self.told.get()

    async def end_elsewhere(self, key: str) -> None:
        """Another process ends the session, and the store tells of it."""
        await self.inner.delete(key)
        self.told.put_nowait(key)


async def listening(store: TellingStore) -> None:
    await until(lambda: store.asked)


@pytest.mark.gen_test
async def test_a_notice_during_a_handshake_is_not_lost(make_server: MakeServer) -> None:
    store = TellingStore(MemoryStore())
    async with serving(session_server(make_server, store, poll_interval=3600)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        await listening(store)
        store.after["load"] = gate = Gate()  # what it has read is old when it arrives
        connecting = asyncio.ensure_future(browser.socket().__aenter__())
        await gate.reached()
        await store.end_elsewhere(site.ss.session.key_for(browser.id or ""))
        await until(store.told.empty)
        gate.let_go()
        socket = await connecting
        assert await socket.closed(SOON) == (4401, "session ended")


@pytest.mark.gen_test
async def test_a_notice_whose_read_fails_is_tried_again(make_server: MakeServer) -> None:
    store = TellingStore(MemoryStore())
    async with serving(session_server(make_server, store, poll_interval=3600)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            await listening(store)
            store.forget()
            store.down = True
            await store.end_elsewhere(site.ss.session.key_for(browser.id or ""))
            await until(lambda: store.count["load"])
            store.down = False
            assert await socket.closed() == (4401, "session ended")


@pytest.mark.gen_test
async def test_after_an_outage_the_store_is_heard_again(make_server: MakeServer, logs: Logs) -> None:
    store = TellingStore(MemoryStore())
    store.down = True
    async with serving(session_server(make_server, store, poll_interval=0.1)) as site:
        await until(lambda: store.asked >= 2)
        store.down = False
        failed = store.asked
        await until(lambda: store.asked > failed)
        asked = store.asked
        await asyncio.sleep(0.5)
        assert store.asked == asked, "it listens, and asks no more"
        assert len(logs.take("polled while the store is away")) == 1
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            await store.end_elsewhere(site.ss.session.key_for(browser.id or ""))
            assert await socket.closed(SOON) == (4401, "session ended")


@pytest.mark.gen_test
async def test_many_notices_hold_up_none(make_server: MakeServer) -> None:
    store = TellingStore(MemoryStore())
    async with serving(session_server(make_server, store, poll_interval=3600)) as site:
        busy, other = Browser(site), Browser(site)
        await over_http(busy, put(a=1))
        await over_http(other, put(a=1))
        async with busy.socket(), other.socket() as socket:
            await listening(store)
            store.late = {"load": 0.02}
            for _ in range(2000):
                store.told.put_nowait(site.ss.session.key_for(busy.id or ""))
            await store.end_elsewhere(site.ss.session.key_for(other.id or ""))
            assert await socket.closed(SOON) == (4401, "session ended")


@pytest.mark.gen_test
async def test_end_all_from_a_socket_ends_its_own_session_and_all_others(make_server: MakeServer) -> None:
    """Its own socket is closed by it, and the call cancelled."""

    async def everywhere(session: Session) -> None:
        await session.sessions.end_all("ada")

    ada: Callable[[Session], Awaitable[Session]] = partial(Session.set_user_id, user_id="ada")
    ss = session_server(make_server)
    async with serving(ss) as site:
        browsers = [Browser(site) for _ in range(5)]
        for browser in browsers:
            await over_http(browser, ada)
        async with browsers[2].socket() as socket:
            with pytest.raises(Exception, match="4401"):
                await over_socket(socket, ss, everywhere)
        while await ss.session.of_user("ada"):  # noqa: ASYNC110 (the call that ends them has no answer)
            await asyncio.sleep(0.01)
        for browser in browsers:
            assert await over_http(browser, look) == (None, {})


@pytest.mark.gen_test
async def test_only_who_was_sent_a_ticket_gets_another(make_server: MakeServer) -> None:
    """A socket that shares the session gets no cookie of a log-in that it did not make."""
    ss = session_server(make_server)
    async with serving(ss) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as mine, browser.socket() as other:
            await over_socket(mine, ss, partial(Session.set_user_id, user_id="ada"))
            assert await other.result("rpc.ticket") is False
            assert await mine.result("rpc.ticket") is True
            await over_http(Browser(site, browser.cookie), look)
            await browser.take_ticket(mine)
            await over_http(browser, partial(Session.set_user_id, user_id="eve"))
            assert await mine.result("rpc.ticket") is False
