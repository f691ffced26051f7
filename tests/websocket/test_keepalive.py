"""Pings: who is heard of is left in peace, who stays silent is closed."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.apps import ECHO, MakeServer, serving
from tests.frames import PING, PONG, TEXT, Frame, raw_socket
from tests.wire import connect, request


@pytest.mark.gen_test
async def test_a_silent_client_is_pinged_and_closed(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO}, ping_interval=0.2, ping_timeout=0.1)
    start = time.monotonic()
    async with serving(ss) as site, raw_socket(site) as raw:
        assert await raw.read() == Frame(PING, b"")
        assert time.monotonic() - start > 0.19
        last = await raw.read()
        assert last
        assert last.close_code == 4408
        assert time.monotonic() - start > 0.29


@pytest.mark.gen_test
async def test_a_client_that_falls_silent_after_many_pongs_is_closed_too(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO}, ping_interval=0.1, ping_timeout=3)
    async with serving(ss) as site, raw_socket(site) as raw:
        for _ in range(5):
            assert await raw.read() == Frame(PING, b"")
            raw.send(PONG)
        assert await raw.read() == Frame(PING, b"")
        last = await raw.read()
        assert last
        assert last.close_code == 4408


@pytest.mark.gen_test
async def test_a_client_that_answers_pings_stays(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO}, ping_interval=0.2, ping_timeout=3)
    async with serving(ss) as site, connect(site, ping_interval=None) as socket:
        await asyncio.sleep(3.5)
        assert await socket.result("app.echo", 1) == 1


@pytest.mark.gen_test
async def test_a_client_that_calls_needs_no_ping(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO}, ping_interval=3, ping_timeout=1)
    async with serving(ss) as site, raw_socket(site) as raw:
        end = time.monotonic() + 3.5
        while time.monotonic() < end:
            raw.send(TEXT, request("app.echo", [1]).encode())
            answer = await raw.read()
            assert answer
            assert answer.opcode == TEXT
            await asyncio.sleep(0.05)


@pytest.mark.gen_test
async def test_without_an_interval_there_are_no_pings(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO}, ping_interval=0)
    async with serving(ss) as site, raw_socket(site) as raw:
        with pytest.raises(TimeoutError):
            await raw.read(0.3)


@pytest.mark.gen_test
async def test_a_ping_of_the_client_is_answered(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site, raw_socket(site) as raw:
        raw.send(PING, b"are you there?")
        assert await raw.read() == Frame(PONG, b"are you there?")


@pytest.mark.gen_test
async def test_a_client_that_neither_pongs_nor_closes_is_forgotten(make_server: MakeServer) -> None:
    waits = """
        import asyncio
        def actions(req, res, ss):
            ss.api.cancelled = asyncio.Event()
            async def wait():
                try:
                    await asyncio.Event().wait()
                finally:
                    ss.api.cancelled.set()
            return [wait]
    """
    ss = make_server({"rpc/app.py": waits}, ping_interval=0.1, ping_timeout=0.1)
    async with serving(ss) as site, raw_socket(site) as raw:
        raw.send(TEXT, request("app.wait").encode())
        await asyncio.wait_for(ss.api.cancelled.wait(), 30)
        assert ss.publish.all("news") == 0
