"""Expired sessions are swept, every so often; a sweep that fails is not the last."""

from __future__ import annotations

import asyncio

import pytest

from rpc_sessions import StoreUnavailable
from rpc_sessions.session.stores.memory import MemoryStore
from rpc_sessions.testing import a_key, a_record
from rpc_sessions.transport import timers
from tests.apps import MakeServer, serving
from tests.logs import Logs
from tests.session.steps import session_server
from tests.stores.doubles import WatchedStore


class Failing(WatchedStore):
    """Its second sweep fails in a way of its own."""

    async def gc(self, now: float) -> int:
        if self.count["gc"] == 1:
            self.calls.append("gc")
            raise RuntimeError("a store of somebody else's")
        return await super().gc(now)


@pytest.mark.gen_test
async def test_a_sweep_that_fails_is_tried_again(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    monkeypatch.setattr(timers, "SWEEP_EVERY", 0.05)
    memory = MemoryStore()
    store, kept = Failing(memory), a_key()
    async with serving(session_server(make_server, store)):
        await store.insert(a_key(), a_record(lives=0.05))
        await store.insert(kept, a_record())
        store.down = True
        await asyncio.sleep(0.08)
        store.down = False
        while store.count["gc"] < 4:  # noqa: ASYNC110 (the sweep tells nobody)
            await asyncio.sleep(0.01)
        assert list(memory._records) == [kept]
    logs.take("somebody else's|not swept")


@pytest.mark.gen_test
async def test_a_full_memory_store_refuses_newcomers_and_logs_nobody_out() -> None:
    store = MemoryStore(max_sessions=2)
    first, second = a_key(), a_key()
    await store.insert(first, a_record())
    await store.insert(second, a_record(lives=0.05))
    with pytest.raises(StoreUnavailable, match="full"):
        await store.insert(a_key(), a_record())
    await asyncio.sleep(0.06)
    assert await store.insert(a_key(), a_record()) is True
    assert await store.load(first) is not None
