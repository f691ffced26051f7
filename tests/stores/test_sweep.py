"""Expired sessions are swept, every so often; a sweep that fails is not the last, and a clock that jumps stops it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from rpc_sessions import StoreUnavailable
from rpc_sessions.session import sweep
from rpc_sessions.session.stores.choice import StoreChoice
from rpc_sessions.session.stores.memory import MemoryStore
from rpc_sessions.session.sweep import Sweep
from rpc_sessions.testing import a_key, a_record
from rpc_sessions.transport import timers
from tests.apps import MakeServer, serving
from tests.logs import Logs
from tests.session.steps import session_server
from tests.stores.doubles import WatchedStore
from tests.waiting import until


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
    monkeypatch.setattr(sweep, "STEADY", 0.0)
    memory = MemoryStore()
    store, kept = Failing(memory), a_key()
    async with serving(session_server(make_server, store)):
        await store.insert(a_key(), a_record(lives=0.05))
        await store.insert(kept, a_record())
        store.down = True
        await until(lambda: store.count["gc"] > 2)
        store.down = False
        await until(lambda: len(memory._records) == 1)
        assert list(memory._records) == [kept]
    logs.take("somebody else's|not swept")


@pytest.mark.parametrize("jump", [-3600.0, 90.0, 86400.0 * 400])
@pytest.mark.gen_test
async def test_a_clock_that_jumped_sweeps_nothing_until_it_is_steady(
    jump: float, monkeypatch: pytest.MonkeyPatch, logs: Logs
) -> None:
    """With a real clock under a real server: tests/faults/test_clock.py."""
    clock = {"time": 1e9, "monotonic": 0.0}
    read = SimpleNamespace(time=lambda: clock["time"], monotonic=lambda: clock["monotonic"])
    monkeypatch.setattr(sweep, "time", read)
    choice, store = StoreChoice(), WatchedStore()
    choice.use(store)
    swept = Sweep(choice)

    async def minutes_later(minutes: int) -> int:
        """How many of the next sweeps, one a minute, take place."""
        store.forget()
        for _ in range(minutes):
            clock["time"] += 60.0
            clock["monotonic"] += 60.0
            await swept()
        return store.count["gc"]

    assert await minutes_later(4) == 0, "it has only just begun to watch the clock"
    assert await minutes_later(3) == 3
    clock["time"] += jump
    assert await minutes_later(3) == 0
    clock["time"] -= jump  # set right
    assert await minutes_later(5) == 0
    assert await minutes_later(3) == 3
    assert len(logs.take("the clock jumped by .* expired sessions stay")) == 2
    clock["time"] += 30.0  # as a slow clock is set: no jump
    assert await minutes_later(3) == 3


@pytest.mark.gen_test
async def test_a_full_memory_store_refuses_newcomers_and_logs_nobody_out() -> None:
    store = MemoryStore(max_sessions=2)
    first, second = a_key(), a_key()
    await store.insert(first, a_record())
    await store.insert(second, a_record(lives=3))
    with pytest.raises(StoreUnavailable, match="full"):
        await store.insert(a_key(), a_record())
    await asyncio.sleep(3.05)
    assert await store.insert(a_key(), a_record()) is True
    assert await store.load(first) is not None
