"""mutate: read, change and write as one step."""

from __future__ import annotations

from typing import Any

import pytest

from rpc_sessions import Session
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.session.steps import Way, every_way, over_http, put, session_server
from tests.stores.doubles import WatchedStore


@every_way
@pytest.mark.gen_test
async def test_it_returns_what_fn_returns_and_is_saved(way: Way, make_server: MakeServer) -> None:
    async def check(session: Session) -> None:
        session["mine"] = 1
        assert await session.mutate(append) == 1
        assert await session.mutate(later) == "later"
        assert await session.mutate(lambda s: s.get("nothing")) is None
        assert dict(session) == {"mine": 1, "list": [1], "later": 1}
        assert not session.changed

    def append(session: Session) -> int:
        values: Any = session.setdefault("list", [])
        values.append(1)
        return len(values)

    async def later(session: Session) -> str:
        session["later"] = 1
        return "later"

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(check)
        assert await do(dict) == {"mine": 1, "list": [1], "later": 1}


@every_way
@pytest.mark.gen_test
async def test_if_fn_raises_nothing_of_it_is_stored(way: Way, make_server: MakeServer) -> None:
    def half(session: Session) -> None:
        session["count"] = 9
        raise ZeroDivisionError

    def unstorable(session: Session) -> None:
        session["count"] = 9
        session["bad"] = object()  # type: ignore[assignment]  # the mistake

    async def check(session: Session) -> None:
        with pytest.raises(ZeroDivisionError):
            await session.mutate(half)
        with pytest.raises(TypeError, match="bad"):
            await session.mutate(unstorable)
        assert dict(session) == {"count": 1}
        assert not session.changed

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(put(count=1))
        await do(check)
        assert await do(dict) == {"count": 1}


@pytest.mark.gen_test
async def test_fn_runs_again_on_fresh_data_until_it_commits(make_server: MakeServer) -> None:
    seen: list[Any] = []

    def increment(session: Session) -> None:
        seen.append(dict(session))
        session["count"] = session["count"] + 1  # type: ignore[operator]  # an int

    async def step(session: Session) -> None:
        store.before["replace"] = lambda: over_http(browser, put(count=10, other=True))
        await session.mutate(increment)
        assert dict(session) == {"count": 11, "other": True}

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, put(count=1))
        await over_http(browser, step)
        assert seen == [{"count": 1}, {"count": 10, "other": True}]
        assert await over_http(browser, dict) == {"count": 11, "other": True}


@pytest.mark.gen_test
async def test_a_mutate_that_changes_nothing_writes_nothing(make_server: MakeServer) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, put(count=1))
        store.forget()
        await over_http(browser, lambda session: session.mutate(lambda s: s.update(count=1)))
        assert store.writes == []
