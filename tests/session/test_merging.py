"""Parallel writers: different keys all survive, on one key the last wins, and nothing comes back from the dead."""

from __future__ import annotations

import asyncio
from random import random
from typing import Any

import pytest

from rpc_sessions import Session
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.session.steps import over_http, over_post, over_socket, put, session_server
from tests.stores.doubles import WatchedStore


async def begin(session: Session) -> None:
    session.update(a=0, b=0, nested={"x": 0, "y": 0}, gone=0)
    await session.save()


@pytest.mark.gen_test
async def test_writers_of_different_keys_on_every_transport_all_survive(make_server: MakeServer) -> None:
    """Each loads, then all write, then all save."""
    loaded, everyone = 0, asyncio.Event()

    def write(key: str) -> Any:
        async def step(session: Session) -> None:
            nonlocal loaded
            session[key] = dict(session).get(key, 0) != 0 or 1
            loaded += 1
            if loaded == 4:
                everyone.set()
            await everyone.wait()
            await session.save()

        return step

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, begin)
        async with browser.socket() as one, browser.socket() as two:
            await asyncio.gather(
                over_socket(one, site.ss, write("a")),
                over_socket(two, site.ss, write("b")),
                over_http(browser, write("c")),
                over_post(browser, write("d")),
            )
            values = await over_socket(one, site.ss, dict)
    assert values == {"a": 1, "b": 1, "c": 1, "d": 1, "nested": {"x": 0, "y": 0}, "gone": 0}
    assert store.count["replace"] >= 4 + 3, "no writer met a conflict"


async def two_views(browser: Browser, first: Any, second: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two calls that both have loaded the session when ``first`` begins; then ``second``. Their views, at the end."""
    views: dict[str, Any] = {}

    async def outer(session: Session) -> None:
        async def inner(other: Session) -> None:
            await first(session)
            await second(other)
            views["second"] = dict(other)

        await over_http(browser, inner)
        views["first"] = dict(session)

    await over_http(browser, outer)
    return views["first"], views["second"]


def change(**values: Any) -> Any:
    """A step that sets values (None: removes the key) and saves."""

    async def step(session: Session) -> None:
        for key, value in values.items():
            if value is None:
                del session[key]
            else:
                session[key] = value
        await session.save()
        assert not session.changed

    return step


BEGIN = {"a": 0, "b": 0, "nested": {"x": 0, "y": 0}, "gone": 0}
CASES: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "different keys": (change(a=1), change(b=2), {**BEGIN, "a": 1, "b": 2}),
    "the same key, the last wins": (change(a=1), change(a=2), {**BEGIN, "a": 2}),
    "a nested value counts as its key": (
        change(nested={"x": 1, "y": 0}),
        change(nested={"x": 0, "y": 1}),
        {**BEGIN, "nested": {"x": 0, "y": 1}},
    ),
    "a removal and a change": (change(gone=None), change(a=1), {"a": 1, "b": 0, "nested": BEGIN["nested"]}),
    "a change and a removal": (change(a=1), change(gone=None), {"a": 1, "b": 0, "nested": BEGIN["nested"]}),
    "removed here, changed there": (change(gone=None), change(gone=5), {**BEGIN, "gone": 5}),
    "changed here, removed there": (change(gone=5), change(gone=None), {"a": 0, "b": 0, "nested": BEGIN["nested"]}),
    "removed by both": (change(gone=None), change(gone=None), {"a": 0, "b": 0, "nested": BEGIN["nested"]}),
    "new keys": (change(new=1), change(newer=2), {**BEGIN, "new": 1, "newer": 2}),
    "back to what it was": (change(a=1), change(a=0, b=1), {**BEGIN, "a": 1, "b": 1}),
}


@pytest.mark.parametrize(("first", "second", "result"), CASES.values(), ids=CASES.keys())
@pytest.mark.gen_test
async def test_two_writers(make_server: MakeServer, first: Any, second: Any, result: dict[str, Any]) -> None:
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, begin)
        _, seen = await two_views(browser, first, second)
        assert seen == result, "what the other wrote does not appear in the own view"
        assert await over_http(browser, dict) == result


@pytest.mark.gen_test
async def test_own_unsaved_changes_stay_when_a_conflict_brings_foreign_keys(make_server: MakeServer) -> None:
    async def unsaved(session: Session) -> None:
        session["b"] = 2
        saving = asyncio.ensure_future(session.save())
        await asyncio.sleep(0)
        session["c"] = 3  # while the save is under way
        session["nested"]["x"] = 4  # type: ignore[index,call-overload]  # the test knows
        del session["gone"]
        await saving
        assert dict(session) == {"a": 1, "b": 2, "c": 3, "nested": {"x": 4, "y": 0}}
        await session.save()
        assert not session.changed

    store = WatchedStore()
    store.slow = {"replace": 0.01, "load": 0.01}
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, begin)
        await two_views(browser, change(a=1), unsaved)
        assert await over_http(browser, dict) == {"a": 1, "b": 2, "c": 3, "nested": {"x": 4, "y": 0}}


@pytest.mark.gen_test
async def test_saves_of_one_view_end_with_its_last_value(make_server: MakeServer) -> None:
    """Two tasks of one call save the same key; the one that began first meets the conflict."""

    async def race(session: Session) -> None:
        session["a"] = 1
        store.before["replace"] = lambda: change(a=2)(session)
        await session.save()

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            await over_socket(socket, site.ss, begin)
            await over_socket(socket, site.ss, race)
            assert (await over_socket(socket, site.ss, dict))["a"] == 2


@pytest.mark.gen_test
async def test_a_hundred_tasks_write_a_hundred_keys(make_server: MakeServer) -> None:
    async def write(n: int, session: Session) -> None:
        session[f"key {n}"] = n
        await session.save()

    async def many(session: Session) -> None:
        await asyncio.gather(*(write(n, session) for n in range(100)))

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            await over_socket(socket, site.ss, many)  # of one view, on a session that is not stored yet
            assert await over_socket(socket, site.ss, dict) == {f"key {n}": n for n in range(100)}
            await over_socket(socket, site.ss, lambda session: session.destroy())
        await over_http(browser, begin)
        calls = [over_http(browser, put(**{f"key {n}": n})) for n in range(100)]
        await asyncio.gather(*calls)  # of a view each
        assert await over_http(browser, dict) == {**BEGIN, **{f"key {n}": n for n in range(100)}}


@pytest.mark.parametrize("views", ["one view", "a view each"])
@pytest.mark.gen_test
async def test_mutate_counts_every_time(make_server: MakeServer, views: str) -> None:
    async def count(session: Session) -> object:
        return await session.mutate(increment)

    async def increment(session: Session) -> Any:
        before: Any = session.get("count", 0)
        await asyncio.sleep(random() / 1000)
        session["count"] = before + 1
        return before + 1

    async def many(session: Session) -> list[Any]:
        return await asyncio.gather(*(count(session) for _ in range(30)))

    store = WatchedStore()
    store.slow = store.late = {"replace": 0.001, "load": 0.001, "insert": 0.001}
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            if views == "one view":
                counted = await over_socket(socket, site.ss, many)
            else:
                await over_socket(socket, site.ss, begin)
                counted = await asyncio.gather(*(over_post(browser, count) for _ in range(30)))
            assert sorted(counted) == list(range(1, 31))
            assert (await over_socket(socket, site.ss, dict))["count"] == 30
