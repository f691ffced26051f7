"""A session that is stored for the first time, and what a call does to it after that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from rpc_sessions import Session
from rpc_sessions.session.reserved import MOVED
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.memory import MemoryStore
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.session.steps import Way, every_way, look, over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore


@every_way
@pytest.mark.gen_test
async def test_a_second_save_keeps_the_cookie_that_express_is_to_set(
    make_server: MakeServer, tmp_path: Path, way: Way
) -> None:
    folder = tmp_path / "sessions"

    def stored() -> list[dict[str, object]]:
        return [json.loads(path.read_text()) for path in folder.glob("*.json")]

    async def save_twice(session: Session) -> None:
        session["a"] = 1
        await session.save()
        first = [values["cookie"] for values in stored() if "a" in values]
        assert not session.changed
        session["b"] = 2
        await session.save()
        again = [values["cookie"] for values in stored() if "b" in values]
        assert [cookie["sameSite"] for cookie in first + again] == ["strict"] * 2  # type: ignore[index]  # an object

    ss = session_server(make_server)
    ss.session.store.use("file", path=str(folder), layout="express")
    ss.session.options.cookie.same_site = "Strict"
    async with serving(ss) as site, way(site) as do:
        await do(save_twice)


class SlowNote(WatchedStore):
    """``meanwhile`` runs before a note is left under the id that the browser had."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def insert(self, key: str, record: Record) -> bool:
        if MOVED in record.data and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return await super().insert(key, record)


@pytest.mark.gen_test
async def test_two_processes_store_it_and_another_tab_saves(make_server: MakeServer) -> None:
    """A browser's first visit: the cookie is of the first process, and two tabs are at the second."""

    async def meanwhile() -> None:
        await over_socket(first, servers[0], put(a=1))
        other_save.append(asyncio.create_task(over_socket(other, servers[1], put(c=1))))
        await asyncio.sleep(0.3)  # it saves, or waits

    memory, other_save = MemoryStore(), list[asyncio.Task[object]]()
    stores = WatchedStore(memory, shared=True), SlowNote(memory, shared=True)
    servers = [session_server(make_server, store) for store in stores]
    async with serving(servers[0]) as one, serving(servers[1]) as two, AsyncExitStack() as stack:
        browser = Browser(one)
        first = await stack.enter_async_context(browser.socket())
        tab, other = [await stack.enter_async_context(Browser(two, browser.cookie).socket()) for _ in range(2)]
        stores[1].meanwhile = meanwhile
        await over_socket(tab, servers[1], put(b=1))
        await other_save[0]
        for socket, ss in ((tab, servers[1]), (other, servers[1]), (first, servers[0])):
            assert await over_socket(socket, ss, look) == (None, {"a": 1, "b": 1, "c": 1})


@pytest.mark.parametrize("moves", [True, False])
@pytest.mark.gen_test
async def test_a_request_stores_it_under_the_id_that_the_socket_had(make_server: MakeServer, moves: bool) -> None:
    """The socket has moved on, and its new session is not stored: it is not over."""

    async def slow(session: Session) -> None:
        session["h"] = 1
        if moves:
            await over_socket(socket, site.ss, lambda session: session.regenerate())

    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            await over_http(browser, slow)
            assert await over_socket(socket, site.ss, look) == (None, {} if moves else {"h": 1})
            await over_socket(socket, site.ss, put(mine=1))
            assert (await over_socket(socket, site.ss, look))[1]["mine"] == 1
