"""Where a user is logged in, and how that is ended everywhere."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rpc_sessions import ConfigError, Session, StoreUnavailable
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.session.stores.sql import SQLStore
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.steps import look, over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore

ADA: Callable[[Session], Any] = partial(Session.set_user_id, user_id="ada")


async def logged_in(site: Site, user_id: str = "ada") -> Browser:
    browser = Browser(site)
    await over_http(browser, partial(Session.set_user_id, user_id=user_id))
    return browser


@pytest.mark.gen_test
async def test_of_user_lists_where_a_user_is_logged_in(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        sessions = site.ss.session
        first, second = await logged_in(site), await logged_in(site)
        await logged_in(site, "eve")
        await over_http(Browser(site), put(a=1))
        found = await sessions.of_user("ada")
        assert {info.key for info in found} == {sessions.key_for(browser.id or "") for browser in (first, second)}
        now = datetime.now(UTC)
        for info in found:
            assert info.user_id == "ada"
            assert info.ip == "127.0.0.1"
            assert "Tornado" in info.agent
            assert now - timedelta(seconds=20) < info.created <= info.seen <= now
            assert abs(info.expires - now - timedelta(days=30)) < timedelta(seconds=20)
        assert await sessions.of_user("nobody") == []


@pytest.mark.gen_test
async def test_the_client_is_that_of_the_log_in_and_goes_with_the_log_out(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        agent = "Mozilla/5.0 " + "x" * 1000
        site.ss.api.steps["ada"] = ADA
        await browser.get("/do?step=ada", headers={"User-Agent": agent})
        await over_http(browser, put(a=1))
        [info] = await site.ss.session.of_user("ada")
        assert info.agent == agent[:300]
        assert await over_http(browser, look) == ("ada", {"a": 1}), (
            "what is kept for the list is no value of the user's"
        )
        await over_http(browser, partial(Session.set_user_id, user_id=None))
        [info] = [info async for info in site.ss.session.all()]
        assert (info.user_id, info.ip, info.agent) == (None, "", "")


@pytest.mark.gen_test
async def test_all_and_show_know_sessions_and_nothing_else(make_server: MakeServer) -> None:
    """Tickets and notes of moves are records, but no sessions."""
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            await over_socket(socket, site.ss, ADA)
            store: Any = site.ss.session.store.current
            keys = [key async for key in store.keys()]  # noqa: SIM118 (it is no dict)
            assert len(keys) == 3
            [info] = [info async for info in site.ss.session.all()]
            shown = [await site.ss.session.show(key) for key in keys]
            assert [each for each in shown if each] == [(info, {"a": 1})]
        assert await site.ss.session.show("0" * 64) is None


@pytest.mark.gen_test
async def test_end_all_ends_all_but_one_and_closes_the_sockets(make_server: MakeServer) -> None:
    async def others(session: Session) -> None:
        count = await session.sessions.end_all("ada", but=session)
        assert count == 2

    async with serving(session_server(make_server)) as site, AsyncExitStack() as stack:
        mine, *other = [await logged_in(site) for _ in range(3)]
        eve = await logged_in(site, "eve")
        mine_socket, *sockets, eves = [
            await stack.enter_async_context(browser.socket()) for browser in (mine, *other, eve)
        ]
        await over_http(mine, others)
        for socket in sockets:
            assert await socket.closed() == (4401, "session ended")
        for browser in other:
            assert await over_http(browser, look) == (None, {})
        assert await over_socket(mine_socket, site.ss, look) == ("ada", {})
        assert await over_socket(eves, site.ss, look) == ("eve", {})
        assert await site.ss.session.end_all("ada", but=mine.id) == 0
        assert await site.ss.session.end_all("ada") == 1
        assert (await mine_socket.closed())[0] == 4401
        assert await site.ss.session.end_all("ada") == 0


@pytest.mark.gen_test
async def test_end_all_catches_sessions_that_move_meanwhile(make_server: MakeServer) -> None:
    store = WatchedStore()
    store.find_by_user = store.inner.find_by_user  # type: ignore[attr-defined]  # as a MemoryStore has it
    async with serving(session_server(make_server, store)) as site:
        browsers = [await logged_in(site) for _ in range(5)]

        async def move() -> None:
            await asyncio.gather(*(over_http(browser, lambda session: session.regenerate()) for browser in browsers))

        store.before["load"] = move
        assert await site.ss.session.end_all("ada") == 5
        assert await site.ss.session.of_user("ada") == []
        for browser in browsers:
            assert await over_http(browser, look) == (None, {})


@pytest.mark.parametrize("at", ["load", "replace"])
@pytest.mark.parametrize("but", ["session", "id"])
@pytest.mark.parametrize("transport", ["http", "websocket"])
@pytest.mark.gen_test
async def test_end_all_keeps_a_session_that_moves_meanwhile(
    make_server: MakeServer, transport: str, but: str, at: str
) -> None:
    """Another request of the same browser renews its id, while the other sessions are being ended."""
    store = WatchedStore()
    store.find_by_user = store.inner.find_by_user  # type: ignore[attr-defined]  # as a MemoryStore has it
    async with serving(session_server(make_server, store)) as site, AsyncExitStack() as stack:
        mine, other = await logged_in(site), await logged_in(site)
        if transport == "websocket":
            first, second = [await stack.enter_async_context(mine.socket()) for _ in range(2)]
            do, again = partial(over_socket, first, site.ss), partial(over_socket, second, site.ss)
        else:
            do = again = partial(over_http, mine)

        async def others(session: Session) -> None:
            store.before[at] = lambda: again(Session.regenerate)
            assert await session.sessions.end_all("ada", but=session if but == "session" else session.id) == 1
            assert at not in store.before

        await do(others)
        assert await do(look) == ("ada", {})
        assert len(await site.ss.session.of_user("ada")) == 1
        assert await over_http(other, look) == (None, {})


@pytest.mark.gen_test
async def test_a_slow_save_beside_end_all_brings_nobody_back(make_server: MakeServer) -> None:
    async def late(session: Session) -> None:
        session["a"] = 1
        await session.sessions.end_all("ada")

    async with serving(session_server(make_server)) as site:
        browser = await logged_in(site)
        with pytest.raises(Exception, match="Session ended"):
            await over_http(browser, late)
        assert await site.ss.session.of_user("ada") == []


@pytest.mark.gen_test
async def test_end_of_what_is_not_there_is_false(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        assert await site.ss.session.end("0" * 64) is False
        browser = await logged_in(site)
        assert await site.ss.session.end(site.ss.session.key_for(browser.id or "")) is True
        assert await over_http(browser, look) == (None, {})


@pytest.mark.parametrize("key", ["nonsense", "", "../../etc/passwd", "0" * 63, "G" * 64, "0" * 63 + "\n", "a\0" * 32])
@pytest.mark.parametrize("layout", ["", "native", "express"], ids=["memory", "file", "express"])
@pytest.mark.gen_test
async def test_what_is_no_key_is_no_session(make_server: MakeServer, tmp_path: Path, layout: str, key: str) -> None:
    store = FileStore(tmp_path / "sessions", layout=layout) if layout else None
    sessions = session_server(make_server, store).session
    assert await sessions.end(key) is False
    assert await sessions.show(key) is None


@pytest.mark.parametrize("value", [{"$gt": ""}, None, 7, ["ada"]])
@pytest.mark.gen_test
async def test_a_user_or_a_key_that_is_no_text_is_a_mistake(
    make_server: MakeServer, mongo_uri: str, mongo_database: str, value: Any
) -> None:
    """To MongoDB ``{"$gt": ""}`` is a query, which everybody's sessions meet; and nobody is None."""
    sessions = session_server(make_server, MongoStore(mongo_uri, database=mongo_database)).session
    for user_id in ("ada", None):
        await sessions.create(user_id=user_id)
    for method in (sessions.of_user, sessions.end_all, sessions.show, sessions.end):
        with pytest.raises(TypeError, match="is a string, not"):
            await method(value)
    assert {info.user_id async for info in sessions.all()} == {"ada", None}
    await sessions.store.current.close()


@pytest.mark.parametrize("data", ["oops", '{"rpc.max_age": oops}', '{"rpc.ticket": oops}', '{"rpc.client"}'])
@pytest.mark.gen_test
async def test_a_damaged_session_hides_no_others(
    make_server: MakeServer, tmp_path: Path, logs: Logs, data: str
) -> None:
    path = tmp_path / "sessions.db"
    sessions = session_server(make_server, SQLStore(f"sqlite+aiosqlite:///{path}")).session
    sound = [(await sessions.create(user_id="ada")).claim.key for _ in range(2)]
    damaged = (await sessions.create(user_id="ada")).claim.key
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE rpc_sessions SET data = ? WHERE key = ?", (data, damaged))
    assert {info.key async for info in sessions.all()} == set(sound)
    with pytest.raises(StoreUnavailable):
        await sessions.show(damaged)
    assert set(sound) <= {info.key for info in await sessions.of_user("ada")}
    assert logs.take(f"The stored session .*{damaged}"), "the log does not say where"
    await sessions.store.current.close()


@pytest.mark.gen_test
async def test_a_store_that_is_away_is_no_damaged_session(make_server: MakeServer) -> None:
    store = WatchedStore()
    store.keys = store.inner.keys  # type: ignore[attr-defined]  # as a MemoryStore has it
    sessions = session_server(make_server, store).session
    await sessions.create()
    store.down = True
    with pytest.raises(StoreUnavailable):
        [info async for info in sessions.all()]


@pytest.mark.gen_test
async def test_a_store_that_cannot_list_says_so(make_server: MakeServer) -> None:
    async with serving(session_server(make_server, WatchedStore())) as site:
        with pytest.raises(ConfigError, match="WatchedStore cannot list"):
            await site.ss.session.of_user("ada")
        with pytest.raises(ConfigError, match="WatchedStore cannot list"):
            await site.ss.session.end_all("ada")
        with pytest.raises(ConfigError, match="cannot list its sessions"):
            [info async for info in site.ss.session.all()]
