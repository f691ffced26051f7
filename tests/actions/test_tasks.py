"""A call has a task and a context of its own, as far as it can see, however few tasks there are."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from rpc_sessions import RPCError
from tests.apps import MakeServer, serving
from tests.logs import Logs
from tests.waiting import until
from tests.wire import Socket, connect, notification, request, result_of

MODULE = """
    import asyncio
    from contextvars import ContextVar

    here = ContextVar("here", default="nobody")

    def actions(req, res, ss):
        async def quick(value):
            return value

        async def marked(name, wait=0.0):
            before = here.get()
            here.set(name)
            if wait:
                await asyncio.sleep(wait)
            return [before, here.get(), req.id]

        async def task():
            mine = asyncio.current_task()
            await asyncio.sleep(0)
            async with asyncio.timeout(30), asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
            return mine is asyncio.current_task()

        async def late():
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(5)
            except TimeoutError:
                return "late"

        async def group():
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails())
                    await asyncio.sleep(5)
            except ExceptionGroup:
                return "failed"

        async def fails():
            raise ValueError

        async def cancels_itself(wait=None):
            asyncio.current_task().cancel()
            if wait is not None:
                await asyncio.sleep(wait)
            return "here"

        async def waits(seconds):
            await cancelled_once(asyncio.sleep(seconds))
            return seconds

        async def waits_at_the_gate():
            await cancelled_once(ss.api.gate.wait())

        async def cancelled_once(waiting):
            try:
                await waiting
            except asyncio.CancelledError:
                ss.api.cancelled.append(req.id)
                await asyncio.sleep(0.01)
                ss.api.cleaned.append(req.id)
                raise

        async def remembers():
            ss.api.task = asyncio.current_task()

        async def calls(method, *params):
            first = await ss.rpc("t.quick", 0)
            return [first, await ss.rpc(method, *params), asyncio.current_task().cancelling()]

        return [quick, marked, task, late, group, cancels_itself, waits, waits_at_the_gate, remembers, calls]
"""


async def together(socket: Socket, *calls: tuple[Any, ...]) -> list[Any]:
    """The outcomes of calls that arrive in one read: results, and codes of errors."""
    texts = [request(f"t.{method}", params, id) for id, (method, *params) in enumerate(calls)]
    async with asyncio.timeout(30):
        await socket.send("[" + ",".join(texts) + "]")
        replies = await socket.reply()
    outcomes = {reply["id"]: reply.get("result", reply.get("error", {}).get("code")) for reply in replies}
    return [outcomes[id] for id in range(len(calls))]


@pytest.mark.gen_test
async def test_what_a_call_puts_into_its_context_is_seen_by_no_other(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/t.py": MODULE})) as site, connect(site) as socket:
        calls = [("marked", "a"), ("marked", "b", 0.02), ("marked", "c"), ("marked", "d", 0.01), ("marked", "e")]
        assert await together(socket, *calls) == [["nobody", call[1], id] for id, call in enumerate(calls)]
        assert await socket.result("t.marked", "f") == ["nobody", "f", 1]


@pytest.mark.gen_test
async def test_timeouts_and_task_groups_work_in_any_call(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/t.py": MODULE})) as site, connect(site) as socket:
        calls = [("quick", 1), ("task",), ("quick", 2), ("late",), ("group",), ("task",), ("quick", 3)]
        assert await together(socket, *calls) == [1, True, 2, "late", "failed", True, 3]


@pytest.mark.gen_test
async def test_a_call_that_cancels_itself_harms_no_other(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/t.py": MODULE})) as site, connect(site) as socket:
        calls = [("cancels_itself",), ("waits", 0.01), ("cancels_itself", 0), ("waits", 0.02), ("quick", 1)]
        ss = site.ss
        ss.api.cancelled, ss.api.cleaned = [], []
        assert await together(socket, *calls) == ["here", 0.01, -32603, 0.02, 1]
        assert ss.api.cancelled == []


@pytest.mark.gen_test
async def test_the_task_of_a_call_that_is_over_may_be_cancelled(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/t.py": MODULE})) as site, connect(site) as socket:
        site.ss.api.cancelled, site.ss.api.cleaned = [], []
        await socket.result("t.remembers")
        site.ss.api.task.cancel()
        assert await together(socket, ("quick", 1), ("waits", 0.01), ("quick", 2)) == [1, 0.01, 2]
        await socket.result("t.remembers")
        site.ss.api.task.cancel()
        await asyncio.sleep(0.01)
        assert await together(socket, ("waits", 0.01), ("quick", 1)) == [0.01, 1]


@pytest.mark.gen_test
async def test_calls_within_calls(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/t.py": MODULE})) as site, connect(site) as socket:
        site.ss.api.cancelled, site.ss.api.cleaned = [], []
        calls = [("calls", "t.quick", 1), ("calls", "t.waits", 0.02), ("calls", "t.calls", "t.waits", 0.01)]
        assert await together(socket, *calls, ("quick", 2)) == [[0, 1, 0], [0, 0.02, 0], [0, [0, 0.01, 0], 0], 2]
        assert len([task for task in asyncio.all_tasks() if task.get_name() == "rpc_sessions stands by"]) == 1


@pytest.mark.gen_test
async def test_a_call_that_is_cancelled_is_cancelled_once_and_alone(make_server: MakeServer, logs: Logs) -> None:
    async with serving(make_server({"rpc/t.py": MODULE})) as site, connect(site) as socket:
        ss = site.ss
        ss.api.cancelled, ss.api.cleaned = [], []
        ss.api.gate = asyncio.Event()
        for id in (7, 8, 9):
            await socket.send(request("t.waits_at_the_gate", [], id))
        await until(lambda: ss._ready().dispatcher.running == 3)
        await socket.send(notification("rpc.cancel", {"id": 8}))
        await socket.send(notification("rpc.cancel", {"id": 8}))
        with pytest.raises(RPCError, match="Cancelled"):
            result_of(await socket.reply())
        ss.api.gate.set()
        assert [(await socket.reply())["id"] for _ in range(2)] == [7, 9]
        await until(lambda: ss.api.cleaned)  # it was answered before
        assert (ss.api.cancelled, ss.api.cleaned) == ([8], [8])


@pytest.mark.gen_test
async def test_calls_end_when_their_client_leaves_in_the_same_turn_of_the_loop(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/t.py": MODULE})) as site:
        dispatcher = site.ss._ready().dispatcher
        site.ss.api.cancelled, site.ss.api.cleaned = [], []
        async with connect(site) as socket:
            assert await socket.result("t.quick", 1) == 1
            [connection] = site.ss._connections.values()
            started = dispatcher.started
            for id in range(5):
                dispatcher.receive(request("t.waits", [5], id).encode(), connection)
            assert dispatcher.running == 5
            connection.abort()
            dispatcher.hang_up(connection)
            await until(lambda: sorted(site.ss.api.cleaned) == [0, 1, 2, 3, 4])
            await until(lambda: dispatcher.running == 0)
            assert dispatcher.started == started + 5


@pytest.mark.gen_test
async def test_thousands_of_calls_leave_no_task_behind(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/t.py": MODULE})) as site, connect(site) as socket:
        await socket.result("t.quick", 1)
        before = len(asyncio.all_tasks())
        for _ in range(100):
            await together(socket, *[("quick", 1), ("marked", "a", 0.001)] * 15)
        await until(lambda: len(asyncio.all_tasks()) <= before)
        assert site.ss._ready().dispatcher.running == 0


@pytest.mark.gen_test
async def test_a_call_within_the_process_brings_its_context_and_no_other_gets_it(make_server: MakeServer) -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    module = """
        def actions(req, res, ss):
            async def see():
                return ss.api.who.get()
            return [see]
    """
    ss = make_server({"rpc/t.py": module})
    ss.api.who = who

    async def job(name: str) -> Any:
        who.set(name)
        return await ss.rpc("t.see")

    seen = await asyncio.gather(job("ada"), ss.rpc("t.see"), job("eve"), ss.rpc("t.see"))
    assert list(seen) == ["ada", "nobody", "eve", "nobody"]


@pytest.mark.gen_test
async def test_calls_go_on_when_somebody_cancels_every_task(make_server: MakeServer) -> None:
    """As a host application may, when it ends a part of itself."""
    ss = make_server({"rpc/t.py": MODULE})
    for _ in range(3):
        lost = asyncio.ensure_future(ss.rpc("t.quick", 1))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.gather(lost, return_exceptions=True)
        async with asyncio.timeout(30):
            assert await ss.rpc("t.quick", 2) == 2


@pytest.mark.gen_test
async def test_a_deadline_holds_while_the_action_handles_its_own_timeout(make_server: MakeServer) -> None:
    module = """
        import asyncio

        def actions(req, res, ss):
            async def stubborn():
                try:
                    async with asyncio.timeout(0):
                        try:
                            await asyncio.Event().wait()
                        finally:
                            await ss.api.gate.wait()
                            ss.api.ran = True
                except TimeoutError:
                    pass
            return [stubborn]
    """
    ss = make_server({"rpc/t.py": module}, call_deadline=1)
    ss.api.ran, ss.api.gate = False, asyncio.Event()
    async with serving(ss) as site, connect(site) as socket:
        with pytest.raises(RPCError, match="Deadline"):
            await socket.result("t.stubborn")
        ss.api.gate.set()
        await asyncio.sleep(0.1)
        assert not ss.api.ran
