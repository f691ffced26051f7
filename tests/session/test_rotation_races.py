"""Rotations beside other calls, cancelled, or with a store that fails: nothing is lost, nobody is logged out."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed

from rpc_sessions import RPCError, Session
from rpc_sessions.session.reserved import TICKET
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.lines import Line, line
from tests.session.steps import Step, look, over_http, put, session_server
from tests.stores.doubles import WatchedStore, session_at

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
LATE = {"load": 0.006, "insert": 0.006, "replace": 0.02, "touch": 0.006, "delete": 0.006}
# In the middle of each request of a rotation: load, insert (the ticket), insert (the copy), replace twice, delete.
PAUSES = [0.0, 0.003, 0.009, 0.015, 0.02, 0.03, 0.041]


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
        doing: dict[str, Any] = {
            "same socket": self.one.do,
            "another socket": self.two.do,
            "HTTP": partial(over_http, self.browser),
        }
        rotation: asyncio.Future[Any] = asyncio.ensure_future(doing[through](log_in))
        await asyncio.sleep(pause)
        await self.one.do(step)
        await asyncio.wait([rotation])
        return rotation.exception()

    async def redeem(self) -> None:
        await self.two.redeem()
        await self.one.redeem()


async def ids_in(store: WatchedStore) -> int:
    """How many live sessions a store over memory holds; tickets and notes of moves are none."""
    keys = [key async for key in store.inner.keys()]  # type: ignore[attr-defined]  # noqa: SIM118 (a MemoryStore)
    records = [await session_at(store.inner, key) for key in keys]
    return sum(1 for record in records if record and TICKET not in record.data)


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
        await asyncio.sleep(0.06)
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
        await over_http(browser, put(cart=[1]))
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
            assert user_id == ("ada" if done else None)
            assert done == (succeed >= (3 if through == "socket" else 2)), "only the sweep of the old record may fail"
            assert await over_http(browser, look) == (user_id, values), "the browser was not told of the new id"
