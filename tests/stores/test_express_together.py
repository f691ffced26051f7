"""Sessions on each ``layout="express"``, used by many at once: as in test_together.py, and beside writes of Express."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rpc_sessions import SessionGone
from tests.stores.express_raw import ID, KINDS, JSONObject, Shared, shared
from tests.stores.test_together import (
    Chosen,
    ss,
    test_a_process_killed_while_it_saves_leaves_the_old_or_the_new,
    test_parallel_writers_of_different_keys_keep_all,
    test_two_processes_count_exactly,
    test_writes_that_race_a_log_out_revive_nothing,
)
from tests.stores.worker import make_sessions, open_session

__all__ = [
    "shared",
    "ss",
    "test_a_process_killed_while_it_saves_leaves_the_old_or_the_new",
    "test_parallel_writers_of_different_keys_keep_all",
    "test_two_processes_count_exactly",
    "test_writes_that_race_a_log_out_revive_nothing",
]
COOKIE: JSONObject = {"originalMaxAge": 60_000, "expires": "2030-01-01T00:00:00.000Z", "httpOnly": True, "path": "/"}


@pytest.fixture
def chosen(shared: Shared) -> Chosen:
    return Chosen(shared.name, shared.options)


@pytest.mark.gen_test
async def test_a_thousand_slow_writes_beside_log_outs_revive_nothing(shared: Shared) -> None:
    sessions = make_sessions(shared.name, shared.options)
    ended = await asyncio.gather(*(sessions.create({"here": True}) for _ in range(50)))
    ends: list[Exception | None] = []

    async def write(n: int) -> None:
        for count in range(5):
            try:
                mine = await open_session(sessions, ended[n % 50].id)
                mine[f"k{n}"] = count
                await asyncio.sleep(n / 5_000)
                await mine.save()
                ends.append(None)
            except SessionGone as gone:
                ends.append(gone)

    async def log_out(n: int) -> None:
        await asyncio.sleep(n / 200)
        await ended[n].destroy()

    await asyncio.gather(*(write(n) for n in range(200)), *(log_out(n) for n in range(50)))
    assert len(ends) == 1_000
    assert {type(end) for end in ends} == {SessionGone, type(None)}
    assert [shared.raw.get(session.id) for session in ended] == [None] * 50
    await sessions.store.current.close()


# The touch of session-file-store reads the whole file, and writes it back without a lock.
@pytest.mark.parametrize("shared", [kind for kind in KINDS if kind != "file"], indirect=True)
@pytest.mark.gen_test
async def test_nothing_of_ours_is_lost_beside_touches_of_express(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": COOKIE})
    sessions = make_sessions(shared.name, shared.options)

    async def write(n: int) -> None:
        session = await open_session(sessions, ID)
        session[f"k{n}"] = n
        await session.save()

    async def touch() -> None:
        for _ in range(50):
            await asyncio.to_thread(shared.raw.touch, ID, 60)

    await asyncio.gather(touch(), *(write(n) for n in range(50)))
    stored = shared.raw.get(ID)
    assert stored
    assert {name: stored[name] for name in stored if name.startswith("k")} == {f"k{n}": n for n in range(50)}
    await sessions.store.current.close()


@pytest.mark.gen_test
async def test_a_mutate_runs_again_after_a_write_of_express(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": COOKIE, "n": 1})
    sessions = make_sessions(shared.name, shared.options)
    session = await open_session(sessions, ID)
    seen: list[Any] = []

    def double(session: Any) -> None:
        if not seen:
            shared.raw.put(ID, {"cookie": COOKIE, "n": 5, "express": True})
        seen.append(session["n"])
        session["n"] *= 2

    await session.mutate(double)
    stored = shared.raw.get(ID)
    assert stored
    assert (seen, stored["n"], stored["express"]) == ([1, 5], 10, True)
    await sessions.store.current.close()
