"""Calls that end at their first step share a task, and calls of a batch begin one after the other: none may notice."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextvars import ContextVar
from typing import Any

import pytest

from rpc_sessions import Server
from tests.actions.test_tasks import together
from tests.apps import MakeServer, serving
from tests.waiting import until
from tests.wire import Socket, connect, request

MODULE = """
    import asyncio
    from contextvars import ContextVar

    here = ContextVar("here", default="nobody")

    def actions(req, res, ss):
        latest = {}

        async def quick(value):
            return value

        async def waits(value):
            await asyncio.sleep(0.01)
            return value

        async def thinks_better():
            me = asyncio.current_task()
            me.cancel()
            me.uncancel()

        async def replaces(value, waits=False):
            if before := latest.get("call"):
                before.cancel()
            latest["call"] = asyncio.current_task()
            if waits:
                await asyncio.sleep(0.01)
            return value

        async def latest_is_over():
            return latest["call"].done()

        async def marks(name):
            before = here.get()
            here.set(name)
            await asyncio.sleep(0.001)
            return before

        async def leaves(number):
            ss.api.begun.append(number)
            if number == 1:
                for connection in list(ss.api.connections.values()):
                    connection.close(1000, "bye")
            return number

        return [quick, waits, thinks_better, replaces, latest_is_over, marks, leaves]
"""


@pytest.fixture
def ss(make_server: MakeServer) -> Server:
    return make_server({"rpc/t.py": MODULE})


@pytest.mark.parametrize("pause", [0, 0.02])
@pytest.mark.gen_test
async def test_a_call_that_cancels_itself_and_takes_it_back_harms_no_other(ss: Server, pause: float) -> None:
    async with serving(ss) as site, connect(site) as socket:
        for calls in ([("thinks_better",), ("waits", 1)], [("thinks_better",)], [("waits", 2), ("quick", 3)]):
            expected = [call[1] if call[1:] else None for call in calls]
            assert await together(socket, *calls) == expected
            await asyncio.sleep(pause)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.gen_test
async def test_a_call_may_cancel_the_one_before_it_that_is_over(ss: Server, at_once: bool) -> None:
    """As a search does whose user goes on typing: what it finds in a cache is answered at once."""
    calls: list[tuple[Any, ...]] = [("replaces", 1), ("replaces", 2, True)]
    async with serving(ss) as site, connect(site) as socket:
        for _ in range(2):
            if at_once:
                assert await together(socket, *calls, ("quick", 3)) == [1, 2, 3]
            else:
                assert [await socket.result(f"t.{method}", *params) for method, *params in calls] == [1, 2]


@pytest.mark.gen_test
async def test_the_task_of_a_call_that_is_over_is_done(ss: Server) -> None:
    async with serving(ss) as site, connect(site) as socket:
        for waits in (False, True):
            await socket.result("t.replaces", 1, waits)
            assert await socket.result("t.latest_is_over")


@pytest.mark.gen_test
async def test_calls_of_a_batch_that_begin_later_do_not_begin_in_the_context_of_others(make_server: MakeServer) -> None:
    ss = make_server({"rpc/t.py": MODULE}, calls_in_flight=2)
    async with serving(ss) as site, connect(site) as socket:
        assert await together(socket, *[("marks", str(n)) for n in range(9)]) == ["nobody"] * 9


async def begun_after_leaving(ss: Server, socket: Socket, *texts: str) -> list[int]:
    ss.api.begun, ss.api.connections = [], ss._connections
    for text in texts:
        await socket.send(text)
    assert (await socket.closed())[0] == 1000
    await until(lambda: not ss._connections)
    return list(ss.api.begun)


@pytest.mark.gen_test
async def test_a_batch_goes_no_further_once_a_call_of_it_has_ended_the_connection(ss: Server) -> None:
    async with serving(ss) as site, connect(site) as socket:
        batch = "[" + ",".join(request("t.leaves", [n], n) for n in range(5)) + "]"
        assert await begun_after_leaving(ss, socket, batch) == [0, 1]


@pytest.mark.gen_test
async def test_calls_behind_one_that_has_ended_the_connection_do_not_begin(ss: Server) -> None:
    async with serving(ss) as site, connect(site) as socket:
        assert await begun_after_leaving(ss, socket, *[request("t.leaves", [n], n) for n in range(5)]) == [0, 1]


class Thing:
    """Something that a job puts into its context."""


@pytest.mark.gen_test
async def test_what_was_in_the_context_of_a_job_is_let_go_of(ss: Server) -> None:
    kept: ContextVar[Thing] = ContextVar("kept")

    async def job() -> weakref.ref[Thing]:
        thing = Thing()
        kept.set(thing)
        assert await ss.rpc("t.quick", 1) == 1
        return weakref.ref(thing)

    thing = await asyncio.create_task(job())
    await asyncio.sleep(0)
    gc.collect()
    assert thing() is None


@pytest.mark.gen_test
async def test_a_call_that_fails_leaves_no_cycle_behind(ss: Server) -> None:
    """A client may send wrong params all day: they are let go of at once, not when the collector comes."""
    async with serving(ss) as site, connect(site) as socket:
        [connection] = ss._connections.values()
        text = request("t.quick", ["x", "y"]).encode()
        receive = ss._ready().dispatcher.receive
        receive(text, connection)
        gc.collect()
        gc.disable()
        try:
            for _ in range(100):
                receive(text, connection)
            assert gc.collect() < 100
        finally:
            gc.enable()
        assert (await socket.reply())["error"]["code"] == -32602
