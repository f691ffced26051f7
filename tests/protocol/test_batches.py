"""Batches: their size, their order of running, and that one bad item never loses the others."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rpc_sessions import Server
from rpc_sessions import batch as batches
from tests.apps import MakeServer, Site, serving
from tests.logs import Logs
from tests.waiting import until
from tests.ways import WAYS, Way
from tests.wire import Socket, connect, notification, post, request

BATCHES = """
    import asyncio

    def actions(req, res, ss):
        ss.api.running = ss.api.most = ss.api.begun = 0
        ss.api.finished = False

        async def echo(value):
            return value

        async def slow(value):
            ss.api.begun += 1
            ss.api.running += 1
            ss.api.most = max(ss.api.most, ss.api.running)
            await asyncio.sleep(0.01)
            ss.api.running -= 1
            return value

        async def boom():
            raise RuntimeError

        async def early():
            res("early")
            await asyncio.sleep(0.05)
            ss.api.finished = True

        async def hang():
            await asyncio.Event().wait()

        ss.api.cleaned = asyncio.Event()

        async def cleans_up():
            ss.api.running += 1
            try:
                await asyncio.Event().wait()
            finally:
                await ss.api.cleaned.wait()
                ss.api.running -= 1

        return echo, slow, boom, early, hang, cleans_up
"""


def batch(method: str, count: int) -> str:
    return "[" + ",".join(request(method, [i], i) for i in range(count)) + "]"


def results(replies: list[Any]) -> dict[Any, Any]:
    return {reply["id"]: reply.get("result", reply.get("error", {}).get("code")) for reply in replies}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.gen_test
async def test_a_hundred_calls_are_a_batch_and_one_more_is_refused(way: Way, make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": BATCHES})
    assert results(await way(ss, batch("app.echo", 100))) == {i: i for i in range(100)}
    reply = await way(make_server({}), batch("app.echo", 101))
    assert (reply["error"]["code"], reply["id"]) == (-32600, None)


@pytest.mark.gen_test
async def test_a_batch_larger_than_the_calls_in_flight_waits_its_turn(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": BATCHES}, calls_in_flight=4)
    async with serving(ss) as site, connect(site) as socket:
        await socket.send(batch("app.slow", 50))
        assert results(await socket.reply()) == {i: i for i in range(50)}
        assert ss.api.most == 4
        ss.api.most = 0
        assert results(json.loads((await post(site, batch("app.slow", 20))).body)) == {i: i for i in range(20)}
        assert ss.api.most == 4


@pytest.mark.gen_test
async def test_a_batch_of_invalid_items_runs_nothing(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": BATCHES})) as site:
        replies = json.loads((await post(site, "[[],[[]],{},null," + request("app.echo", [1], 5) + "]")).body)
    assert [reply.get("error", {}).get("code") for reply in replies] == [-32600, -32600, -32600, -32600, None]


@pytest.mark.gen_test
async def test_one_bad_item_never_loses_the_others(make_server: MakeServer, logs: Logs) -> None:
    items = [request("app.boom", [], 1), request("app.hang", [], 2), "{}", request("app.echo", ["here"], 3)]
    async with serving(make_server({"rpc/app.py": BATCHES}, call_deadline=0.1)) as site, connect(site) as socket:
        await socket.send("[" + ",".join(items) + "]")
        assert results(await socket.reply()) == {1: -32603, 2: -32002, None: -32600, 3: "here"}
    logs.take("app.boom failed")


@pytest.mark.gen_test
async def test_a_batch_waits_for_no_call_that_was_cancelled(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": BATCHES})) as site, connect(site) as socket:
        await socket.send("[" + request("app.hang", [], 1) + "," + request("app.echo", ["x"], 2) + "]")
        await socket.send(request("rpc.cancel", {"id": 1}, 3))
        replies = {type(reply): reply for reply in [await socket.reply(), await socket.reply()]}
    assert results(replies[list]) == {1: -32800, 2: "x"}
    assert replies[dict]["result"] is True


@pytest.mark.gen_test
async def test_rpc_cancel_works_in_a_batch(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": BATCHES})) as site:
        text = "[" + request("app.hang", [], 1) + "," + request("rpc.cancel", {"id": 1}, 2) + "]"
        assert results(json.loads((await post(site, text)).body)) == {1: -32800, 2: True}


@pytest.mark.gen_test
async def test_an_early_answer_in_a_batch_comes_with_the_others(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": BATCHES})
    async with serving(ss) as site, connect(site) as socket:
        await socket.send("[" + request("app.early", [], 1) + "," + request("app.slow", ["x"], 2) + "]")
        assert results(await socket.reply()) == {1: "early", 2: "x"}
        await until(lambda: ss.api.finished)


@pytest.mark.gen_test
async def test_a_batch_of_a_connection_that_drops_ends(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": BATCHES}, calls_in_flight=2)
    async with serving(ss) as site, connect(site) as socket:
        await socket.send(batch("app.slow", 100))
        await until(lambda: ss.api.begun)
        begun = ss.api.begun
        socket.connection.transport.abort()
        await asyncio.sleep(0.1)
        assert ss.api.begun <= begun + 6  # what had settled when it dropped


CLEANS_UP = [request("app.cleans_up", [], 0), request("app.cleans_up", [], 1), notification("app.cleans_up")]
OTHERS = [request("app.slow", [i], i) for i in range(2, 20)] + [notification("app.slow", ["unanswered"])]
RESULTS = {i: i for i in range(2, 20)}


def text(*items: str) -> str:
    return f"[{','.join(items)}]"


def cancel(id: int) -> str:
    return notification("rpc.cancel", {"id": id})


async def still_cleans_up(ss: Server) -> None:
    """Until well after the moment that a batch waits for a call that was cancelled."""
    await asyncio.sleep(0.3)
    assert ss.api.running


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
@pytest.mark.parametrize("way", ["websocket", "http"])
@pytest.mark.gen_test
async def test_calls_that_clean_up_for_long_lose_no_other_of_their_batch(
    way: str, limit: int, make_server: MakeServer, logs: Logs
) -> None:
    ss = make_server({"rpc/app.py": BATCHES}, calls_in_flight=limit, call_deadline=0.1)
    async with serving(ss) as site, connect(site) as socket:
        reply = asyncio.ensure_future(answer(way, text(*CLEANS_UP, *OTHERS), site, socket))
        await until(lambda: ss.api.running)
        await still_cleans_up(ss)
        ss.api.cleaned.set()
        assert results(await reply) == {0: -32002, 1: -32002} | RESULTS
        assert ss.api.begun == len(OTHERS)
        assert ss.api.most <= limit  # those that clean up count
    assert len(logs.take("app.cleans_up passed its deadline")) == 3


async def answer(way: str, message: str, site: Site, socket: Socket) -> Any:
    if way == "http":
        return json.loads((await post(site, message)).body)
    await socket.send(message)
    return await socket.reply()


@pytest.mark.gen_test
async def test_a_batch_goes_on_in_the_places_that_are_left(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": BATCHES}, calls_in_flight=2)
    async with serving(ss) as site, connect(site) as socket:
        await socket.send(text(CLEANS_UP[0], *OTHERS))
        await socket.send(cancel(0))
        assert results(await socket.reply()) == {0: -32800} | RESULTS
        assert ss.api.running == 1  # it cleans up even now
        ss.api.cleaned.set()


@pytest.mark.gen_test
async def test_a_batch_goes_on_in_the_place_of_a_call_that_is_not_its_own(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": BATCHES}, calls_in_flight=2)
    async with serving(ss) as site, connect(site) as socket:
        await socket.send(request("app.hang", [], 100))
        await socket.send(text(CLEANS_UP[0], *OTHERS))
        await socket.send(cancel(0))
        await still_cleans_up(ss)
        assert not ss.api.begun
        await socket.send(cancel(100))
        assert (await socket.reply())["id"] == 100
        assert results(await socket.reply()) == {0: -32800} | RESULTS
        assert ss.api.running == 1
        ss.api.cleaned.set()


@pytest.mark.gen_test
async def test_a_batch_outlives_a_call_that_never_ends(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_LONG", 0.2)
    ss = make_server({"rpc/app.py": BATCHES}, calls_in_flight=1)
    async with serving(ss) as site, connect(site) as socket:
        await socket.send(text(CLEANS_UP[0], *OTHERS))
        await socket.send(cancel(0))
        assert results(await socket.reply()) == {0: -32800} | dict.fromkeys(RESULTS, -32000)
        ss.api.cleaned.set()


@pytest.mark.gen_test
async def test_a_batch_on_a_connection_that_is_full_is_refused(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": BATCHES}, calls_in_flight=1)
    async with serving(ss) as site, connect(site) as socket:
        await socket.send(request("app.hang", [], 100))
        await socket.send(text(*OTHERS, "{}", request("rpc.cancel", {"id": 101}, 100)))
        assert results(await socket.reply()) == dict.fromkeys(RESULTS, -32000) | {None: -32600, 100: False}
        assert not ss.api.begun


@pytest.mark.gen_test
async def test_of_a_batch_that_waits_nothing_begins_once_its_client_is_gone(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": BATCHES}, calls_in_flight=1)
    async with serving(ss) as site, connect(site) as socket:
        await socket.send(text(CLEANS_UP[0], *OTHERS))
        await socket.send(cancel(0))
        await until(lambda: ss.api.running)
        await still_cleans_up(ss)
        socket.connection.transport.abort()
        await until(lambda: not ss._ready().connections)
        ss.api.cleaned.set()
        await asyncio.sleep(0.1)
        assert not ss.api.begun
