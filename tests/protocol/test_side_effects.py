"""One call does nothing to another: neither through its params, nor through its place in a batch."""

from __future__ import annotations

import json

import pytest

from tests.apps import MakeServer, serving
from tests.wire import connect, request

APP = """
    import asyncio

    def actions(req, res, ss):
        req.use("greedy.add")

        async def count(*params):
            return len(params)

        async def nap(value, seconds=0.3):
            await asyncio.sleep(seconds)
            return value

        async def much(size):
            return "x" * size

        return [count, nap, much]
"""
GREEDY = """
    def add():
        async def layer(req, res, next):
            if req.method == "app.count":
                req.params.append("more")
            await next()
        return layer
"""
FILES = {"rpc/app.py": APP, "middleware/greedy.py": GREEDY}


@pytest.mark.gen_test
async def test_params_that_a_layer_changes_are_the_calls_own(make_server: MakeServer) -> None:
    async with serving(make_server(FILES)) as site, connect(site) as socket:
        for id in range(3):
            await socket.send(json.dumps({"jsonrpc": "2.0", "method": "app.count", "id": id}))
            assert (await socket.receive())["result"] == 1


@pytest.mark.gen_test
async def test_a_cancelled_call_of_a_batch_makes_room_for_the_next(make_server: MakeServer) -> None:
    async with serving(make_server(FILES, calls_in_flight=4)) as site, connect(site) as socket:
        await socket.send("[" + ",".join(request("app.nap", [id], id) for id in range(8)) + "]")
        await socket.send(json.dumps({"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": 0}}))
        replies = {reply["id"]: reply for reply in await socket.receive()}
        assert replies[0]["error"]["code"] == -32800
        assert [replies[id]["result"] for id in range(1, 8)] == list(range(1, 8))


@pytest.mark.gen_test
async def test_a_batch_whose_replies_are_too_large_together_is_told_so(make_server: MakeServer) -> None:
    async with serving(make_server(FILES, send_queue=10_000)) as site, connect(site) as socket:
        await socket.send("[" + ",".join(request("app.much", [3_000], id) for id in range(5)) + "]")
        assert (await socket.receive())["error"]["code"] == -32003
        assert await socket.result("app.much", 3) == "xxx", "the connection goes on"
