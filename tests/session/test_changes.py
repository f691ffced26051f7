"""What counts as a change: nested ones do, what is the same does not; only changes are written."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rpc_sessions import Session
from tests.apps import MakeServer, serving
from tests.session.steps import Way, every_way, put, session_server
from tests.stores.doubles import WatchedStore


@every_way
@pytest.mark.gen_test
async def test_every_kind_of_change_is_noticed(way: Way, make_server: MakeServer) -> None:
    changes: list[Any] = [
        lambda session: session.update(new=1),
        lambda session: session.update(a=2),
        lambda session: session.pop("a"),
        lambda session: session.clear(),
        lambda session: session["cart"]["items"].append(9),
        lambda session: session["cart"].pop("items"),
        lambda session: session["list"][0].update(x=2),
        lambda session: session["list"].sort(key=str),
        lambda session: session.setdefault("b", []).append(1),
        lambda session: setattr(session, "max_age", 99),
        lambda session: session.update(a=1.0),  # not the same JSON
        lambda session: session.update(a=True),
        lambda session: session.update(list="[]"),
    ]

    async def check(session: Session) -> None:
        for change in changes:
            session.clear()
            session.update(a=1, cart={"items": [1]}, list=[{"x": 1}, 0])
            await session.save()
            assert not session.changed
            change(session)
            assert session.changed, change
            values = dict(session)
            await session.save()
            assert not session.changed
            await session.load()
            assert dict(session) == values

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(check)


@every_way
@pytest.mark.gen_test
async def test_what_did_not_change_is_not_written(way: Way, make_server: MakeServer) -> None:
    async def look(session: Session) -> None:
        assert session["cart"]["items"] == [1]  # type: ignore[index,call-overload]  # the test knows
        session["cart"] = {"items": [1]}
        session["a"] = 2
        session["a"] = 1
        session.pop("b", None)
        assert not session.changed
        await asyncio.gather(session.save(), session.save())

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site, way(site) as do:
        await do(put(a=1, cart={"items": [1]}))
        store.forget()
        await do(look)
        await do(dict)
        assert store.count == {"load": 2}


@every_way
@pytest.mark.gen_test
async def test_nothing_is_stored_until_something_is_written(way: Way, make_server: MakeServer) -> None:
    async def look(session: Session) -> None:
        assert (session.is_new, session.changed, session.user_id) == (True, False, None)
        await session.save()
        session.touch()
        assert session.is_new

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site, way(site) as do:
        await do(look)
        assert store.calls == []
        await do(put(a=1))
        assert store.writes == ["insert"]
        assert not await do(lambda session: session.is_new)
