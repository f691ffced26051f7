"""Calls of one connection run side by side, up to a limit, and end with it."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.apps import MakeServer, serving
from tests.logs import Logs
from tests.waiting import until
from tests.wire import connect, notification, post_call, request

SLOW = """
    import asyncio

    def actions(req, res, ss):
        ss.api.cancelled = []
        ss.api.gate = asyncio.Event()

        async def echo(value):
            return value

        async def wait(name=None):
            try:
                await ss.api.gate.wait()
                return name
            except asyncio.CancelledError:
                ss.api.cancelled.append(name)
                raise

        async def stubborn(name):
            for _ in range(3):
                try:
                    await ss.api.gate.wait()
                except asyncio.CancelledError:
                    ss.api.cancelled.append(name)
            return "too late"

        async def cleans_up():
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0.05)
                ss.api.cancelled.append("cleaned up")

        async def cancels_itself():
            asyncio.current_task().cancel()
            await asyncio.sleep(0)

        async def answers_and_waits():
            res("answered")
            await wait("after the answer")

        return echo, wait, stubborn, cleans_up, cancels_itself, answers_and_waits
"""


@pytest.mark.gen_test
async def test_one_call_more_than_the_limit_is_answered_busy(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SLOW}, calls_in_flight=3)
    async with serving(ss) as site, connect(site) as socket, connect(site) as other:
        waiting = [await socket.begin("app.wait", name) for name in "abc"]
        reply = await socket.call("app.echo", 1)
        assert reply["error"] == {"code": -32000, "message": "Too many calls in flight"}
        await socket.send(notification("app.wait"))  # a notification over the limit is dropped in silence
        assert await other.result("app.echo", 1) == 1  # the limit is each connection's own
        assert (await post_call(site, "app.echo", 1))["result"] == 1
        ss.api.gate.set()
        assert sorted([(await socket.reply())["id"] for _ in waiting]) == waiting
        assert await socket.result("app.echo", 1) == 1


@pytest.mark.gen_test
async def test_the_default_limit_is_32(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SLOW})
    async with serving(ss) as site, connect(site) as socket:
        for _ in range(32):
            await socket.begin("app.wait")
        assert (await socket.call("app.echo", 1))["error"]["code"] == -32000


@pytest.mark.gen_test
async def test_a_long_call_holds_up_neither_pings_nor_calls(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": SLOW})) as site, connect(site) as socket:
        await socket.begin("app.wait")
        for i in range(20):
            assert await socket.result("app.echo", i) == i
        pong = await socket.connection.ping()
        await asyncio.wait_for(pong, 30)


@pytest.mark.gen_test
async def test_the_calls_of_a_connection_that_drops_are_cancelled(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SLOW})
    async with serving(ss) as site, connect(site) as staying:
        async with connect(site) as socket:
            await socket.begin("app.wait", "a")
            await socket.begin("app.wait", "b")
            await socket.begin("app.cleans_up")
            await socket.begin("app.answers_and_waits")
            await staying.begin("app.wait", "stays")
            assert (await socket.reply())["result"] == "answered"
            socket.connection.transport.abort()
            await until(lambda: len(ss.api.cancelled) == 4)
        assert sorted(ss.api.cancelled) == ["a", "after the answer", "b", "cleaned up"]
        ss.api.gate.set()
        assert (await staying.reply())["result"] == "stays"


@pytest.mark.gen_test
async def test_a_closing_handshake_cancels_them_as_well(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SLOW})
    async with serving(ss) as site:
        async with connect(site) as socket:
            await socket.begin("app.wait", "a")
            await socket.result("app.echo", 1)
        await until(lambda: ss.api.cancelled)
        assert ss.api.cancelled == ["a"]


@pytest.mark.parametrize("method", ["app.wait", "app.stubborn", "app.cleans_up"])
@pytest.mark.gen_test
async def test_a_call_is_ended_at_its_deadline(method: str, make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({"rpc/app.py": SLOW}, call_deadline=0.1)
    params = [] if method == "app.cleans_up" else ["late"]
    async with serving(ss) as site, connect(site) as socket:
        start = time.monotonic()
        reply = await socket.call(method, *params)
        assert reply["error"] == {"code": -32002, "message": "Deadline passed"}
        assert time.monotonic() - start > 0.09
        assert (await post_call(site, method, *params))["error"]["code"] == -32002
        await until(lambda: len(ss.api.cancelled) == 2)
        assert await socket.result("app.echo", 1) == 1
        ss.api.gate.set()  # the stubborn ones have waited for this all the time
    assert len(logs.take(f"{method} passed its deadline of 0.1 s")) == 2


@pytest.mark.gen_test
async def test_each_call_has_its_own_deadline(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SLOW}, call_deadline=0.15)
    async with serving(ss) as site, connect(site) as socket:
        start = time.monotonic()
        first = await socket.begin("app.wait", "a")
        await asyncio.sleep(0.1)
        second = await socket.begin("app.wait", "b")
        assert (await socket.reply())["id"] == first
        assert (await socket.reply())["id"] == second
        assert time.monotonic() - start > 0.24


@pytest.mark.gen_test
async def test_an_action_that_was_cancelled_from_within_is_at_fault(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": SLOW})) as site, connect(site) as socket:
        assert (await socket.call("app.cancels_itself"))["error"]["code"] == -32603


@pytest.mark.gen_test
async def test_rpc_cancel_ends_a_call(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SLOW}, calls_in_flight=2)
    async with serving(ss) as site, connect(site) as socket, connect(site) as other:
        for id in (10, "10"):
            await socket.send(request("app.wait", [id], id))
        await other.send(request("rpc.cancel", {"id": 10}, 1))
        assert (await other.reply())["result"] is False  # another connection's calls are not in reach
        for other_id in (11, 10.0, None, "1"):
            await socket.send(request("rpc.cancel", {"id": other_id}, 1))
            assert (await socket.reply())["result"] is False
        await socket.send(request("rpc.cancel", {"id": 10}, 1))  # though the connection is busy
        replies = {reply["id"]: reply for reply in [await socket.reply(), await socket.reply()]}
        assert replies[10]["error"] == {"code": -32800, "message": "Cancelled"}
        assert replies[1]["result"] is True
        await socket.send(notification("rpc.cancel", {"id": "10"}))
        assert (await socket.reply())["error"]["code"] == -32800
        assert await socket.result("app.echo", "next") == "next"
        assert ss.api.cancelled == [10, "10"]


@pytest.mark.parametrize("params", [[], [1], {}, {"id": 1, "x": 2}, {"method": "app.wait"}])
@pytest.mark.gen_test
async def test_rpc_cancel_takes_an_id(params: object, make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": SLOW})) as site, connect(site) as socket:
        await socket.send(request("rpc.cancel", params, 1))
        assert (await socket.reply())["error"]["code"] == -32602


@pytest.mark.gen_test
async def test_a_call_that_nobody_waits_for_any_more_ends(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SLOW})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ss.rpc("app.wait", "inside"), 0.05)
    await asyncio.sleep(0)
    assert ss.api.cancelled == ["inside"]
    await ss.stop()
