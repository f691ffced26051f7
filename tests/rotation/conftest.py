"""A browser that is about to log in over a WebSocket, on a store of this process and on a shared one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rpc_sessions import Session, Store
from rpc_sessions.session import moved
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.memory import MemoryStore
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.session.steps import look, over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore
from tests.wire import Socket

Seen = tuple[str | None, dict[str, Any]]
NOBODY: Seen = (None, {})
CART = {"cart": [1]}


def log_in(session: Session) -> Any:
    """A step."""
    return session.set_user_id("ada")


def log_out(session: Session) -> Any:
    """A step."""
    return session.set_user_id(None)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The grace outlasts a machine that has much else to do. A test of its end sets its own."""
    monkeypatch.setattr(moved, "GRACE", 40.0)


class Visit(NamedTuple):
    """A browser with an open WebSocket. before: what its session shows until somebody logs in."""

    site: Site
    browser: Browser
    socket: Socket
    before: Seen

    @property
    def store(self) -> WatchedStore:
        store: Any = self.site.ss.session.store.current
        assert isinstance(store, WatchedStore)
        return store

    @property
    def after(self) -> Seen:
        """What the session shows once ada is logged in."""
        return "ada", self.before[1]

    async def do(self, step: Any = look) -> Any:
        """Run a step over the WebSocket."""
        return await over_socket(self.socket, self.site.ss, step)

    async def ticket(self, step: Any = log_in) -> str:
        """Run a step that changes the id. The ticket that came."""
        await self.do(step)
        return await self.next_ticket()

    async def next_ticket(self) -> str:
        name, params = await self.socket.event()
        assert name == "rpc.session"
        return str(dict(params)["ticket"])

    async def another(self) -> str:
        """The ticket that comes when one is asked for."""
        assert await self.socket.result("rpc.ticket") is True
        return await self.next_ticket()

    def elsewhere(self) -> Browser:
        """Another browser with the cookie as it is now."""
        return Browser(self.site, self.browser.cookie)

    async def sees(self) -> tuple[Seen, Seen]:
        """What the browser sees after a reload: over HTTP, and over a new WebSocket."""
        by_http = await over_http(self.browser, look)
        async with self.browser.socket() as socket:
            return by_http, await over_socket(socket, self.site.ss, look)


Visiting = Callable[..., AbstractAsyncContextManager[Visit]]


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store for one process, and one that processes share."""
    return MemoryStore() if request.param == "memory" else FileStore(tmp_path / "sessions")


@pytest.fixture(params=[True, False], ids=["known", "first visit"])
def visiting(request: pytest.FixtureRequest, make_server: MakeServer, store: Store) -> Visiting:
    """``async with visiting() as visit:``; with a session in the store, and without. options: of the sessions."""

    @asynccontextmanager
    async def visiting(**options: object) -> AsyncIterator[Visit]:
        watched = WatchedStore(store, shared=getattr(store, "shared", True))
        async with serving(session_server(make_server, watched, **options)) as site:
            browser = Browser(site)
            if request.param:
                await over_http(browser, put(**CART))
            async with browser.socket() as socket:
                yield Visit(site, browser, socket, (None, CART if request.param else {}))

    return visiting
