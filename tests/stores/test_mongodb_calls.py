"""Calls of the MongoDB store are cancelled: PyMongo's client must not notice."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings

import pytest
from pymongo import AsyncMongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.testing import a_key, a_record
from tests.conftest import allow_unclosed
from tests.processes import find_free_port
from tests.stores.proxy import Proxy
from tests.waiting import until


class Finds(CommandListener):
    """How the driver's finds went, in their order."""

    def __init__(self) -> None:
        self.went: list[str] = []

    def _note(self, event: CommandStartedEvent | CommandSucceededEvent | CommandFailedEvent, how: str) -> None:
        if event.command_name == "find":
            self.went.append(how)

    def started(self, event: CommandStartedEvent) -> None:
        self._note(event, "started")

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._note(event, "succeeded")

    def failed(self, event: CommandFailedEvent) -> None:
        self._note(event, "failed")


async def listed(store: MongoStore) -> list[str]:
    return [key async for key in store.keys()]  # noqa: SIM118 (it is no dict)


@pytest.mark.gen_test
async def test_calls_that_are_cancelled_while_it_is_away_leave_the_client_whole() -> None:
    """PyMongo looks again every half a second; a moment after that is a bad one."""
    with warnings.catch_warnings():
        # Its monitor may be connecting when the client is closed, and leaves that socket to Python.
        warnings.simplefilter("ignore", ResourceWarning)
        for after in range(500, 512):
            store = MongoStore(f"mongodb://127.0.0.1:{find_free_port()}/?timeoutMS=2000")
            begun = (store.load(a_key()), store.insert(a_key(), a_record()), listed(store))
            calls = [asyncio.create_task(call) for call in begun]
            await asyncio.sleep(after / 1000)
            for call in calls:
                call.cancel()
                await asyncio.sleep(0)
            await asyncio.wait(calls)
            assert all(call.cancelled() for call in calls)
            await asyncio.wait_for(store.close(), 30)
        gc.collect()


@pytest.mark.gen_test
async def test_a_call_that_is_cancelled_goes_on(
    mongo_uri: str, mongo_database: str, pytestconfig: pytest.Config
) -> None:
    host, port = mongo_uri.removeprefix("mongodb://").rstrip("/").split(":")
    proxy = Proxy(int(port), host)
    allow_unclosed(pytestconfig, proxy.port)
    store = MongoStore(f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true", database=mongo_database)
    key = a_key()
    writing = asyncio.create_task(store.insert(key, a_record()))
    await asyncio.sleep(0.1)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    async with proxy:
        end = time.monotonic() + 30
        while await store.load(key) is None:
            assert time.monotonic() < end
        await store.close()


@pytest.mark.gen_test
async def test_a_list_that_is_cancelled_is_not_broken_off(
    mongo_uri: str, mongo_database: str, pytestconfig: pytest.Config
) -> None:
    host, port = mongo_uri.removeprefix("mongodb://").rstrip("/").split(":")
    finds = Finds()
    async with Proxy(int(port), host) as proxy:
        allow_unclosed(pytestconfig, proxy.port)
        uri = f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true"
        client = AsyncMongoClient[dict[str, object]](uri, event_listeners=[finds])
        store = MongoStore(client=lambda: client, database=mongo_database)
        await store.insert(a_key(), a_record())
        proxy.hold("answers")
        listing = asyncio.create_task(listed(store))
        await until(lambda: finds.went)
        listing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listing
        proxy.release()
        await until(lambda: len(finds.went) == 2)
        assert finds.went == ["started", "succeeded"]
        await store.close()
