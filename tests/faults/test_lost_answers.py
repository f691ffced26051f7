"""A write was carried out, and its answer is lost with the connection: nothing doubles, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import cast

import pytest

from rpc_sessions import Session, Store, StoreUnavailable
from rpc_sessions.session.reserved import MOVED
from rpc_sessions.session.stores.base import Record
from rpc_sessions.testing import a_key, a_record
from tests.apps import MakeServer, serving
from tests.faults.remote import REMOTE, RETRYING, Remote
from tests.faults.ways import ADA
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.steps import look, over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore

Call = Callable[[Store, str, Record], Awaitable[bool]]
OLD, NEW = '{"cart":"old"}', '{"cart":"new"}'
CALLS: dict[str, tuple[Call, str | None]] = {
    "replace": (lambda store, key, found: store.replace(key, a_record(NEW), found), NEW),
    "touch": (lambda store, key, found: store.touch(key, time.time() + 900), OLD),
    "delete": (lambda store, key, found: store.delete(key), None),
}


@pytest.mark.parametrize(("call", "after"), CALLS.values(), ids=CALLS.keys())
@pytest.mark.gen_test
async def test_the_store_says_so_or_has_it_done(remote: Remote, call: Call, after: str | None) -> None:
    async with remote.store() as store:
        first, key, record = a_key(), a_key(), a_record(OLD)
        for each in (first, key):
            await store.insert(each, record)
        await call(store, first, record)  # the server learns the statement
        remote.proxy.lose(key.encode())
        with suppress(StoreUnavailable):
            await call(store, key, record)
        assert remote.proxy.lost == 1
        found = await store.load(key)
        assert (found.data if found else None) == after
        assert await store.touch(key, time.time() + 900) is (found is not None)


@pytest.mark.parametrize("remote", [*REMOTE, RETRYING], indirect=True)
@pytest.mark.gen_test
async def test_mutate_counts_once(make_server: MakeServer, remote: Remote, logs: Logs) -> None:
    """Each is carried out; the client is told that it was, or that nobody knows, and it counts once either way."""

    def add(session: Session) -> None:
        session["tally"] = cast(int, session.get("tally", 0)) + 1

    async with remote.site(make_server) as site:
        await over_http(Browser(site), put(a=1))  # the server learns the statement
        browser = Browser(site)
        async with browser.socket() as socket:
            for number in range(1, 5):  # the first stores the session
                remote.proxy.lose(b"tally")
                with suppress(StoreUnavailable):
                    await over_socket(socket, site.ss, lambda session: session.mutate(add))
                assert remote.proxy.lost == number
                assert await over_socket(socket, site.ss, look) == (None, {"tally": number})


@pytest.mark.parametrize("lost", ["tea", MOVED])
@pytest.mark.parametrize("over", ["a socket", "http"])
@pytest.mark.gen_test
async def test_a_log_in_loses_no_session(
    make_server: MakeServer, remote: Remote, logs: Logs, lost: str, over: str
) -> None:
    """lost: the answer to storing the copy under the new id, or to leaving a note under the old one."""

    async def log_in(session: Session) -> None:
        remote.proxy.lose(lost.encode())
        await session.set_user_id("ada")

    async with remote.site(make_server) as site:
        browser = Browser(site)
        await over_http(browser, put(cart={"tea": 2}))
        async with browser.socket() as socket:
            try:
                if over == "http":
                    await over_http(browser, log_in)
                else:
                    await over_socket(socket, site.ss, log_in)
                    await browser.take_ticket(socket)
            except StoreUnavailable:
                assert await over_http(browser, look) == (None, ADA[1])
                assert await over_socket(socket, site.ss, look) == (None, ADA[1])
                await over_http(browser, lambda session: session.set_user_id("ada"))
            assert remote.proxy.lost == 1
            assert await over_http(browser, look) == ADA
            assert await over_socket(socket, site.ss, look) == ADA
    if any("503" in record.getMessage() for record in logs.records):
        logs.take("503 GET")


class LosesOneAnswer(WatchedStore):
    """The answer to leaving a note. ``meanwhile`` runs when the note is there."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        done = await super().replace(key, record, expected)
        if MOVED in record.data and self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
            raise StoreUnavailable
        return done


@pytest.mark.gen_test
async def test_who_read_the_note_hears_late_that_it_was_taken_back(make_server: MakeServer, logs: Logs) -> None:
    async def read_late() -> None:
        store.late["load"] = 0.1  # by then it is taken back
        readers.append(asyncio.create_task(over_http(browser, look)))
        await asyncio.sleep(0.05)

    store, readers = LosesOneAnswer(), list[asyncio.Task[object]]()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, put(cart={"tea": 2}))
        store.meanwhile = read_late
        with pytest.raises(StoreUnavailable):
            await over_http(browser, lambda session: session.set_user_id("ada"))
        assert await readers[0] == (None, ADA[1])
    logs.take("503 GET")
