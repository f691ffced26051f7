"""A log-in that the store did not confirm is taken back, whatever else it fails to confirm meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from rpc_sessions import RPCError, Session, StoreUnavailable
from rpc_sessions.session.reserved import MOVED
from rpc_sessions.session.stores.base import FindsByUser, Record, Store
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.memory import MemoryStore
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.rotation.conftest import CART, NOBODY, Seen, log_in
from tests.session.steps import look, over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore
from tests.wire import Socket

BEFORE: Seen = (None, CART)
SOCKET_OR_HTTP = pytest.mark.parametrize("over", ["a socket", "HTTP"])
Fate = str | Callable[[], Awaitable[object]]
DONE, LOST, FAILS = "done", "done, but its answer is lost", "fails"


async def away() -> None:
    raise StoreUnavailable


class Fated(WatchedStore):
    """replaces: what becomes of the next ones, in order. inserts: what becomes of the next one of a "note" or of "ada".

    A hook runs when the write is done, and then its answer is lost.
    """

    def __init__(self, inner: Store, *, shared: bool | None = None) -> None:
        super().__init__(inner, shared=getattr(inner, "shared", True) if shared is None else shared)
        self.plain_ids = getattr(inner, "plain_ids", False)
        self.replaces: list[Fate] = []
        self.inserts: dict[str, Fate] = {}

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        fate = self.replaces.pop(0) if self.replaces else DONE
        return await _meet(fate, super().replace(key, record, expected))

    async def insert(self, key: str, record: Record) -> bool:
        kind = "note" if MOVED in record.data else record.user_id or ""
        return await _meet(self.inserts.pop(kind, DONE), super().insert(key, record))

    async def logged_in(self) -> int:
        """How many sessions ada has."""
        assert isinstance(self.inner, FindsByUser)
        return len(await self.inner.find_by_user("ada"))

    async def until_logged_in(self, many: int) -> None:
        async with asyncio.timeout(20):
            while await self.logged_in() != many:  # noqa: ASYNC110 (the store does not call back)
                await asyncio.sleep(0.02)


async def _meet(fate: Fate, write: Coroutine[object, object, bool]) -> bool:
    if fate == FAILS:
        write.close()
        raise StoreUnavailable
    done = await write
    if not isinstance(fate, str):
        await fate()
    if fate != DONE:
        raise StoreUnavailable
    return done


@pytest.fixture(params=["memory", "file", "express"])
def fated(request: pytest.FixtureRequest, tmp_path: Path) -> Fated:
    if request.param == "memory":
        return Fated(MemoryStore())
    return Fated(FileStore(tmp_path / "sessions", layout="express" if request.param == "express" else "native"))


class Tab(NamedTuple):
    """A browser with a WebSocket."""

    browser: Browser
    socket: Socket

    @classmethod
    async def open(cls, stack: AsyncExitStack, site: Site, cookie: str = "", *, known: bool = False) -> Tab:
        browser = Browser(site, cookie)
        if known:
            await over_http(browser, put(**CART))
        return cls(browser, await stack.enter_async_context(browser.socket()))

    async def do(self, step: Callable[[Session], object] = look, over: str = "a socket") -> object:
        if over == "HTTP":
            return await over_http(self.browser, step)
        return await over_socket(self.socket, self.browser.site.ss, step)

    async def refused(self, over: str, logs: Logs) -> None:
        """Log in, which fails."""
        with pytest.raises(StoreUnavailable):
            await self.do(log_in, over)
        if over == "HTTP":
            logs.take("503 GET")

    async def sees(self) -> tuple[object, object]:
        """What the socket sees, and HTTP, once all tickets are redeemed."""
        seen = await self.do()
        for event in self.socket.events:
            await self.browser.redeem(event["params"]["ticket"])
        self.socket.events.clear()
        return seen, await self.do(over="HTTP")


FATES = {
    "the note": [LOST],
    "and the copy cannot be taken away at once": [LOST, FAILS],
    "and then the old one cannot be brought back at once": [LOST, DONE, FAILS],
    "and nobody knows if the copy was taken away": [LOST, LOST],
    "and nobody knows if the old one was brought back": [LOST, DONE, LOST],
    "and all of that": [LOST, FAILS, LOST, DONE, FAILS, DONE, LOST],
}


@SOCKET_OR_HTTP
@pytest.mark.parametrize("fates", FATES.values(), ids=FATES.keys())
@pytest.mark.gen_test
async def test_of_a_known_session(
    make_server: MakeServer, fated: Fated, logs: Logs, over: str, fates: list[Fate]
) -> None:
    async with serving(session_server(make_server, fated)) as site, AsyncExitStack() as stack:
        tab = await Tab.open(stack, site, known=True)
        fated.replaces = [*fates]
        await tab.refused(over, logs)
        await fated.until_logged_in(0)
        assert await tab.sees() == (BEFORE, BEFORE)
        await tab.do(log_in, over)
        assert await tab.sees() == (("ada", CART), ("ada", CART))
        assert await fated.logged_in() == 1


@pytest.mark.gen_test
async def test_a_session_that_ends_meanwhile_stays_so(make_server: MakeServer, tmp_path: Path) -> None:
    """Another process follows the note, before the session is brought back."""

    async def end_it(session: Session) -> None:
        begun.set()
        await taken_away.wait()
        await session.destroy()
        ended.set()

    async def now() -> None:
        taken_away.set()
        await ended.wait()

    begun, taken_away, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
    fated = Fated(FileStore(tmp_path / "sessions"))
    servers = [session_server(make_server, store) for store in (fated, FileStore(tmp_path / "sessions"))]
    async with serving(servers[0]) as one, serving(servers[1]) as two, AsyncExitStack() as stack:
        tab = await Tab.open(stack, one, known=True)
        other = await Tab.open(stack, two, tab.browser.cookie)
        ending = asyncio.create_task(other.do(end_it))
        await begun.wait()
        fated.replaces = [LOST, now]
        with pytest.raises(StoreUnavailable):
            await tab.do(log_in)
        await ending
        assert await tab.socket.closed(20) == (4401, "session ended")
        assert await tab.do(over="HTTP") == NOBODY


@pytest.mark.gen_test
async def test_a_copy_that_may_be_there(make_server: MakeServer, fated: Fated, logs: Logs) -> None:
    async with serving(session_server(make_server, fated)) as site, AsyncExitStack() as stack:
        tab = await Tab.open(stack, site, known=True)
        fated.inserts["ada"] = LOST
        await tab.refused("HTTP", logs)
        await fated.until_logged_in(0)
        assert await tab.sees() == (BEFORE, BEFORE)


@pytest.mark.gen_test
async def test_a_copy_of_what_others_changed_and_that_cannot_be_read_again(
    make_server: MakeServer, fated: Fated, logs: Logs
) -> None:
    async def conflict() -> None:
        await over_http(other, put(b=1))
        fated.before["load"] = away

    async with serving(session_server(make_server, fated)) as site, AsyncExitStack() as stack:
        tab = await Tab.open(stack, site, known=True)
        other = Browser(site, tab.browser.cookie)
        fated.before["replace"] = conflict
        await tab.refused("HTTP", logs)
        await fated.until_logged_in(0)
        seen = (None, CART | {"b": 1})
        assert await tab.sees() == (seen, seen)


@SOCKET_OR_HTTP
@pytest.mark.parametrize("fate", [LOST, FAILS])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.gen_test
async def test_of_a_first_visit(make_server: MakeServer, logs: Logs, over: str, shared: bool, fate: Fate) -> None:
    """And what is saved after that reaches the browser."""
    fated = Fated(MemoryStore(), shared=shared)
    async with serving(session_server(make_server, fated)) as site, AsyncExitStack() as stack:
        tab = await Tab.open(stack, site)
        fated.inserts["ada"] = fate
        await tab.refused(over, logs)
        assert await tab.sees() == (NOBODY, NOBODY)
        assert await fated.logged_in() == 0
        await tab.do(put(**CART))
        assert await tab.sees() == (BEFORE, BEFORE)
        await tab.do(log_in, over)
        assert await tab.sees() == (("ada", CART), ("ada", CART))


@SOCKET_OR_HTTP
@pytest.mark.parametrize("fate", [LOST, FAILS])
@pytest.mark.gen_test
async def test_of_a_first_visit_at_another_process(make_server: MakeServer, logs: Logs, over: str, fate: Fate) -> None:
    """What fails is the note for the process that handed the cookie out."""
    memory = MemoryStore()
    first, fated = WatchedStore(memory, shared=True), Fated(memory, shared=True)
    servers = [session_server(make_server, store) for store in (first, fated)]
    async with serving(servers[0]) as one, serving(servers[1]) as two, AsyncExitStack() as stack:
        earlier = await Tab.open(stack, one)
        tab = await Tab.open(stack, two, earlier.browser.cookie)
        fated.inserts["note"] = fate
        await tab.refused(over, logs)
        await fated.until_logged_in(0)
        assert await tab.sees() == (NOBODY, NOBODY)
        await tab.do(log_in, over)
        assert await tab.sees() == (("ada", {}), ("ada", {}))
        assert await fated.logged_in() == 1
        assert await earlier.do() == ("ada", {})


@pytest.mark.gen_test
async def test_what_was_saved_elsewhere_meanwhile_stays(make_server: MakeServer) -> None:
    """Who followed the note was told that the save is done."""

    async def save_there() -> None:
        await earlier.do(put(**CART))

    memory = MemoryStore()
    first, fated = WatchedStore(memory, shared=True), Fated(memory, shared=True)
    servers = [session_server(make_server, store) for store in (first, fated)]
    async with serving(servers[0]) as one, serving(servers[1]) as two, AsyncExitStack() as stack:
        earlier = await Tab.open(stack, one)
        tab = await Tab.open(stack, two, earlier.browser.cookie)
        fated.inserts["note"] = save_there
        with pytest.raises(StoreUnavailable):
            await tab.do(log_in)
        with suppress(RPCError):  # it may be told that its session has ended
            await tab.do()
        assert await earlier.do() == ("ada", CART)
