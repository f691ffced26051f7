"""jsonrpc-websocket from PyPI, on aiohttp: a client that nobody here wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from jsonrpc_base import ProtocolError, TransportError
from jsonrpc_websocket import Server as Client

from tests.apps import MakeServer, Site, serving
from tests.clients.application import APPLICATION
from tests.logs import Logs


@asynccontextmanager
async def connected(site: Site) -> AsyncIterator[Any]:
    client = Client(site.ws, timeout=30)
    reading = await client.ws_connect()
    try:
        yield client
    finally:
        await client.close()
        await reading


@pytest.mark.gen_test
async def test_results(make_server: MakeServer) -> None:
    async with serving(make_server(APPLICATION)) as site, connected(site) as client:
        assert await client.app.subtract(42, 23) == 19
        assert await client.app.subtract(subtrahend=23, minuend=42) == 19
        values: list[object] = [None, True, 0, -1.5, "", "né🚀", [], {"a": {"b": None}}, 2**70]
        for value in values:
            assert await client.app.echo(value) == value
        assert await asyncio.gather(*(client.app.echo(i) for i in range(30))) == list(range(30))


@pytest.mark.gen_test
async def test_errors(make_server: MakeServer, logs: Logs) -> None:
    async with serving(make_server(APPLICATION)) as site, connected(site) as client:
        with pytest.raises(ProtocolError) as caught:
            await client.app.refuse("why")
        assert caught.value.args[0] == -32001
        assert caught.value.args[1] == "not you"
        for call, code in (
            (client.app.nothing(), -32601),
            (client.app.subtract(1), -32602),
            (client.app.boom(), -32603),
        ):
            with pytest.raises(ProtocolError) as caught:
                await call
            assert caught.value.args[0] == code
    logs.take("app.boom failed")


@pytest.mark.gen_test
async def test_notifications_and_events(make_server: MakeServer) -> None:
    ss = make_server(APPLICATION)
    events: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()
    async with serving(ss) as site, connected(site) as client:
        client.news = lambda *params: events.put_nowait(params)
        await client.app.note(1, 2, _notification=True)
        assert await client.app.noted() == [[1, 2]]
        assert await client.app.announce("news", "headline", {"n": 1}) == 1
        assert await asyncio.wait_for(events.get(), 30) == ("headline", {"n": 1})


@pytest.mark.gen_test
async def test_a_session_and_its_end(make_server: MakeServer) -> None:
    ss = make_server(APPLICATION)
    async with serving(ss) as site, connected(site) as client:
        assert [await client.visits.count() for _ in range(3)] == [1, 2, 3]
        waiting = asyncio.ensure_future(client.app.wait(60))
        await client.app.echo(1)
        await ss.stop(drain=0)
        with pytest.raises((TransportError, ProtocolError)):
            await waiting
