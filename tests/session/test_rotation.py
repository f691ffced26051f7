"""A new id for a session: the old one is dead, nothing is lost, and nobody else's call notices."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from rpc_sessions import Session
from tests.apps import MakeServer, serving
from tests.session.steps import Way, every_way, look, session_server
from tests.stores.doubles import WatchedStore, session_at


async def begin(session: Session) -> None:
    session["cart"] = [1]
    await session.save()


@every_way
@pytest.mark.gen_test
async def test_the_id_changes_and_the_data_stays(way: Way, make_server: MakeServer) -> None:
    async def rotations(session: Session) -> list[str]:
        ids = [session.id]
        session["unsaved"] = True
        for rotate in (session.regenerate, session.generate, partial(session.set_user_id, "ada"), session.regenerate):
            created = session.created
            assert await rotate() is session
            assert session.created == created
            assert not session.changed
            ids.append(session.id)
        assert look(session) == ("ada", {"cart": [1], "unsaved": True})
        await session.set_user_id(None)
        assert session.user_id is None
        return [*ids, session.id]

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site, way(site) as do:
        await do(begin)
        ids = await do(rotations)
        assert len(set(ids)) == 6
        for id in ids[:-1]:
            assert await session_at(store.inner, site.ss.session.key_for(id)) is None
        assert await do(lambda session: (session.id, *look(session))) == (
            ids[-1], None, {"cart": [1], "unsaved": True}
        )  # fmt: skip


@every_way
@pytest.mark.gen_test
async def test_regenerate_without_keeping_drops_all_of_it(way: Way, make_server: MakeServer) -> None:
    async def drop(session: Session) -> None:
        session["unsaved"] = object()  # type: ignore[assignment]  # dropped, so it does no harm
        old = session.created
        await session.regenerate(keep=False)
        assert (session.user_id, dict(session), session.changed) == (None, {}, False)
        assert session.channel.list() == []
        assert session.max_age == site.ss.session.options.max_age
        assert session.created > old
        assert abs(session.expires - session.created - session.max_age) < timedelta(seconds=15)

    async def fill(session: Session) -> None:
        session.max_age = 100
        await session.channel.subscribe("news")
        await session.set_user_id("ada")

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(begin)
        await do(fill)
        await asyncio.sleep(0.01)
        await do(drop)
        assert await do(look) == (None, {})


@every_way
@pytest.mark.gen_test
async def test_a_user_id_is_a_string(way: Way, make_server: MakeServer) -> None:
    async def attempt(session: Session) -> None:
        bad: Any
        for bad in ("", 7, b"ada", True, ["ada"]):
            with pytest.raises(TypeError, match=r"str\("):
                await session.set_user_id(bad)
        with pytest.raises(AttributeError):
            session.user_id = "ada"  # type: ignore[misc]  # the careless way

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(attempt)


@every_way
@pytest.mark.gen_test
async def test_a_session_that_is_new_can_log_in_at_once(way: Way, make_server: MakeServer) -> None:
    """And the id that the browser had before it is dead: whoever planted it gains nothing."""

    async def log_in(session: Session) -> str:
        before = session.id
        await session.set_user_id("ada")
        assert session.id != before
        return before

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site, way(site) as do:
        before = await do(log_in)
        assert await do(look) == ("ada", {})
        assert await session_at(store.inner, site.ss.session.key_for(before)) is None
