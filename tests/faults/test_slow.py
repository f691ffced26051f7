"""The store answers too late: the call is told so in time, and what it wrote is there as a whole, or not at all."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from rpc_sessions import RPCError, Session
from rpc_sessions.session.stores import file_folder
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.sql import SQLStore
from tests.apps import MakeServer, serving
from tests.faults.remote import Remote
from tests.faults.ways import everywhere, refused_everywhere
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.steps import look, over_http, over_socket, put, session_server
from tests.wire import Socket

Write = Callable[[Session], Awaitable[object]]
BEFORE = (None, {"cart": {"tea": 2}})


async def save(session: Session) -> None:
    session.update(cart={"tea": 3}, n=1)
    await session.save()


async def mutate(session: Session) -> None:
    await session.mutate(lambda session: session.update(cart={"tea": 3}, n=1))


async def log_in(session: Session) -> None:
    session.update(cart={"tea": 3}, n=1)
    await session.set_user_id("ada")


AFTER = {save: None, mutate: None, log_in: "ada"}


@pytest.mark.parametrize(
    ("held", "deadline", "code"), [("answers", 3.0, -32002), ("requests", 3.0, -32002), ("answers", 30.0, -32010)]
)
@pytest.mark.gen_test
async def test_writes(
    make_server: MakeServer,
    remote: Remote,
    logs: Logs,
    held: Literal["answers", "requests"],
    deadline: float,
    code: int,
) -> None:
    all_have_read = asyncio.Barrier(len(AFTER))

    def late(write: Write) -> Write:
        async def step(session: Session) -> None:
            await all_have_read.wait()
            remote.proxy.hold(held)
            await write(session)

        return step

    async def late_by(socket: Socket, write: Write) -> None:
        with pytest.raises(RPCError) as caught:
            await over_socket(socket, site.ss, late(write))
        assert caught.value.code == code

    async with remote.site(make_server, call_deadline=deadline) as site, AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(Browser(site).socket()) for _ in AFTER]
        for socket in sockets:
            await over_socket(socket, site.ss, put(cart={"tea": 2}))
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(late_by(socket, write) for socket, write in zip(sockets, AFTER, strict=True)))
        assert asyncio.get_running_loop().time() - began < 25
        remote.proxy.release()
        for socket, (write, user_id) in zip(sockets, AFTER.items(), strict=True):
            whole = (user_id, {"cart": {"tea": 3}, "n": 1})
            assert await over_socket(socket, site.ss, look) in (BEFORE, whole)
            # The same socket goes on, and nothing is in anybody's way.
            await over_socket(socket, site.ss, write)
            assert await over_socket(socket, site.ss, look) == whole
    assert len(logs.take("s.do passed its deadline" if code == -32002 else "s.do: .*(?i:time|within|cancelled)")) == 3


@contextmanager
def file_locked(folder: Path) -> Iterator[None]:
    """Another process has all locks of the file store, and is stopped."""
    with ExitStack() as held:
        for path in folder.glob("sessions/.lock-*"):
            fcntl.flock(held.enter_context(path.open()), fcntl.LOCK_EX)
        yield


@contextmanager
def sqlite_locked(folder: Path) -> Iterator[None]:
    """Another process has begun to write to the database, and does not end."""
    with closing(sqlite3.connect(folder / "sessions.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


# SQLite waits for a fifth less than its store, and says why; on a slow machine it may come too late to say it.
LOCKED = "database is locked|did not answer within 5 s"


@pytest.mark.parametrize(("locked", "cause"), [(file_locked, "held a lock"), (sqlite_locked, LOCKED)])
@pytest.mark.gen_test
async def test_somebody_keeps_a_lock(
    make_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: Logs, locked: Any, cause: str
) -> None:
    """Reading needs none."""
    monkeypatch.setattr(file_folder, "_PATIENCE", 1.0)
    url = f"sqlite+aiosqlite:///{tmp_path}/sessions.db"
    store = FileStore(tmp_path / "sessions") if locked is file_locked else SQLStore(url)
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            await over_socket(socket, site.ss, put(cart={"tea": 2}))
            with locked(tmp_path):
                await refused_everywhere(browser, socket, save)
                assert await everywhere(browser, socket, look) == [BEFORE] * 3
            await over_socket(socket, site.ss, save)
            assert await over_http(browser, look) == (None, {"cart": {"tea": 3}, "n": 1})
    assert len(logs.take(cause)) == 3
    logs.take("503 (GET|POST)")
