"""A call that is cut off early leaves nothing behind: it would be waited for at every stop."""

from __future__ import annotations

import asyncio
import json

import pytest
from tornado.httpclient import AsyncHTTPClient

from tests.apps import MakeServer, Site, serving
from tests.wire import connect, request

WAIT = """
    import asyncio

    def actions(req, res, ss):
        async def wait():
            await asyncio.sleep(30)
        return [wait]
"""


async def in_flight(site: Site) -> int:
    """The calls under way, as the server counts them."""
    page = await AsyncHTTPClient().fetch(f"{site.url}/metrics")
    lines = dict(line.split() for line in page.body.decode().splitlines() if not line.startswith("#"))
    return int(lines["rpc_sessions_calls_in_flight"])


async def none_in_flight(site: Site) -> bool:
    for _ in range(500):
        if not await in_flight(site):
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.mark.gen_test
async def test_a_call_cancelled_before_its_first_step_is_over(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": WAIT}, metrics=True)) as site, connect(site) as socket:
        cancel = json.dumps({"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": 7}, "id": 8})
        await socket.send(f"[{request('app.wait', (), 7)},{cancel}]")
        replies = {reply["id"]: reply for reply in await socket.receive()}
        assert replies[7]["error"]["code"] == -32800
        assert replies[8]["result"] is True
        assert await none_in_flight(site)


@pytest.mark.gen_test
async def test_calls_of_a_client_that_drops_at_once_are_over(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": WAIT}, metrics=True)) as site:
        async with connect(site) as socket:
            for _ in range(20):
                await socket.begin("app.wait")
            socket.connection.transport.abort()
        assert await none_in_flight(site)
