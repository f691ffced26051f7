"""A new id for a session: the old one is dead, nothing is lost, and nobody else's call notices."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed

from rpc_sessions import RPCError, Session
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.steps import WAYS, Line, Step, Way, line, over_http, put, session_server
from tests.stores.doubles import WatchedStore

every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


async def begin(session: Session) -> None:
    session["cart"] = [1]
    await session.save()


def look(session: Session) -> tuple[str | None, dict[str, Any]]:
    return session.user_id, dict(session)


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
            assert await store.inner.load(site.ss.session.key_for(id)) is None
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
        assert abs(session.expires - session.created - session.max_age) < timedelta(seconds=1)

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
        assert await store.inner.load(site.ss.session.key_for(before)) is None


# -- calls beside a rotation ---------------------------------------------------------------------------

READS: dict[str, Step] = {
    "read": look,
    "save": put(beside=1),
    "mutate": lambda session: session.mutate(lambda session: session.update(beside=1)),
    "subscribe": lambda session: session.channel.subscribe("news"),
    "touch": lambda session: session.touch(),
}
ROTATES: dict[str, Step] = {
    "rotate": lambda session: session.regenerate(),
    "log in too": lambda session: session.set_user_id("ada"),
}
LATE = dict.fromkeys(("load", "insert", "replace", "touch", "delete"), 0.006)
PAUSES = [0.0, *(0.003 + 0.006 * request for request in range(4))]  # in the middle of each request of a rotation


def log_in(session: Session) -> Any:
    return session.set_user_id("ada")


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "new"])
@pytest.mark.parametrize(
    ("through", "beside"),
    [
        *((through, name) for through in ("same socket", "another socket", "HTTP") for name in READS),
        *((through, name) for through in ("same socket", "another socket") for name in ROTATES),
    ],
)
@pytest.mark.gen_test
async def test_a_call_beside_a_log_in_does_not_notice(
    make_server: MakeServer, through: str, beside: str, stored: bool
) -> None:
    """The store answers late: what it has done is not known here for a while."""
    store = WatchedStore()
    async with serving(session_server(make_server, store, touch_after=0)) as site, AsyncExitStack() as stack:
        visits = [await Visit.begin(Browser(site), stack, stored=stored) for _ in PAUSES]
        store.late = LATE
        calls = (
            visit.log_in_beside(through, (READS | ROTATES)[beside], pause)
            for visit, pause in zip(visits, PAUSES, strict=True)
        )
        await asyncio.gather(*calls)
        store.late = {}
        for visit in visits:
            await visit.redeem()
            user_id, values = await visit.one.do(look)
            assert user_id == "ada"
            assert values.pop("beside", None) == (1 if beside in ("save", "mutate") else None)
            assert values == ({"cart": [1]} if stored else {})
            for seen in (await visit.two.do(look), await over_http(visit.browser, look)):
                assert seen[0] == user_id, "the browser was not told of the new id"
        assert await ids_in(store) == len(PAUSES)


class Visit(NamedTuple):
    """A browser with two WebSockets."""

    browser: Browser
    one: Line
    two: Line

    @classmethod
    async def begin(cls, browser: Browser, stack: AsyncExitStack, *, stored: bool = True) -> Visit:
        if stored:
            await over_http(browser, put(cart=[1]))
        one = await stack.enter_async_context(line(browser))
        return cls(browser, one, await stack.enter_async_context(line(browser)))

    async def log_in_beside(self, through: str, step: Step, pause: float) -> BaseException | None:
        """Log in, and a little later run a step on socket one. What became of the log-in."""
        doing = {"same socket": self.one.do, "another socket": self.two.do, "HTTP": partial(over_http, self.browser)}
        rotation = asyncio.ensure_future(doing[through](log_in))
        await asyncio.sleep(pause)
        await self.one.do(step)
        await asyncio.wait([rotation])
        return rotation.exception()

    async def redeem(self) -> None:
        await self.two.redeem()
        await self.one.redeem()


async def ids_in(store: WatchedStore) -> int:
    """How many live sessions a store over memory holds, tickets left out."""
    keys = [key async for key in store.inner.keys()]  # type: ignore[attr-defined]  # noqa: SIM118 (a MemoryStore)
    records = [await store.inner.load(key) for key in keys]
    return sum(1 for record in records if record and '"for":' not in record.data)


@pytest.mark.parametrize("through", ["same socket", "another socket", "HTTP"])
@pytest.mark.gen_test
async def test_a_destroy_beside_a_log_in_wins(make_server: MakeServer, through: str) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site, AsyncExitStack() as stack:
        visits = [await Visit.begin(Browser(site), stack) for _ in PAUSES]
        store.late = LATE
        calls = (
            visit.log_in_beside(through, lambda session: session.destroy(), pause)
            for visit, pause in zip(visits, PAUSES, strict=True)
        )
        for error in await asyncio.gather(*calls):
            assert error is None or isinstance(error, RPCError | ConnectionClosed), error
        store.late = {}
        for visit in visits:
            await visit.redeem()
            assert await visit.one.do(look) == (None, {})
            assert await over_http(visit.browser, look) == (None, {})


@pytest.mark.gen_test
async def test_a_rotation_that_is_cancelled_leaves_the_session_usable(make_server: MakeServer) -> None:
    """rpc.cancel, or the deadline, at any moment."""

    async def cancelled(session: Session, pause: float) -> None:
        task = asyncio.ensure_future(session.set_user_id("ada"))
        await asyncio.sleep(pause)
        task.cancel()
        await asyncio.wait([task])

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site, AsyncExitStack() as stack:
        visits = [await Visit.begin(Browser(site), stack) for _ in PAUSES]
        store.late = LATE
        steps = [partial(cancelled, pause=pause) for pause in PAUSES]
        await asyncio.gather(*(visit.one.do(step) for visit, step in zip(visits, steps, strict=True)))
        await asyncio.sleep(0.04)
        store.late = {}
        for visit in visits:
            await visit.redeem()
            assert (await visit.one.do(look))[1] == {"cart": [1]}
            assert (await over_http(visit.browser, look))[1] == {"cart": [1]}


@pytest.mark.parametrize("through", ["socket", "HTTP"])
@pytest.mark.parametrize("succeed", range(6))
@pytest.mark.gen_test
async def test_a_store_that_fails_during_a_rotation_loses_nothing(
    make_server: MakeServer, through: str, succeed: int, logs: Logs
) -> None:
    """Whatever the browser holds afterwards names the session, with its data."""

    async def attempt(session: Session) -> None:
        store.fail_after = succeed
        try:
            await session.set_user_id("ada")
        finally:
            store.fail_after = None

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, begin)
        async with line(browser) as one:
            try:
                await (one.do(attempt) if through == "socket" else over_http(browser, attempt))
                done, code = True, -32010
            except RPCError as error:
                done, code = False, error.code
                if through == "HTTP":
                    logs.take("503 GET")
            assert code == -32010
            await one.redeem()
            user_id, values = await one.do(look)
            assert values == {"cart": [1]}
            assert user_id == "ada" or not done
            assert await over_http(browser, look) == (user_id, values), "the browser was not told of the new id"
