"""Calls of the MongoDB store are cancelled: PyMongo's client must not notice."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings

import pytest

from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.testing import a_key, a_record
from tests.conftest import allow_unclosed
from tests.processes import find_free_port
from tests.stores.proxy import Proxy


@pytest.mark.gen_test(timeout=60)
async def test_calls_that_are_cancelled_while_it_is_away_leave_the_client_whole() -> None:
    """PyMongo looks again every half a second; a moment after that is a bad one."""
    with warnings.catch_warnings():
        # Its monitor may be connecting when the client is closed, and leaves that socket to Python.
        warnings.simplefilter("ignore", ResourceWarning)
        for after in range(500, 512):
            store = MongoStore(f"mongodb://127.0.0.1:{find_free_port()}/?timeoutMS=2000")
            calls = [asyncio.create_task(call) for call in (store.load(a_key()), store.insert(a_key(), a_record()))]
            await asyncio.sleep(after / 1000)
            for call in calls:
                call.cancel()
                await asyncio.sleep(0)
            await asyncio.wait(calls)
            assert all(call.cancelled() for call in calls)
            await asyncio.wait_for(store.close(), 10)
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
        end = time.monotonic() + 10
        while await store.load(key) is None:
            assert time.monotonic() < end
        await store.close()
