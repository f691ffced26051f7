"""One server, and a second event loop in another thread: refused with what to write instead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from rpc_sessions import Server
from tests.apps import ECHO, MakeServer, serving
from tests.wire import connect

MISUSES: dict[str, Callable[[Server], Awaitable[object]]] = {
    "ss.rpc(...)": lambda ss: ss.rpc("app.echo", 1),
    "ss.start()": lambda ss: ss.start(port=0),
    "ss.stop()": lambda ss: ss.stop(),
}


@pytest.mark.parametrize("tried", MISUSES)
@pytest.mark.gen_test
async def test_a_second_loop_is_refused_while_the_first_one_runs(make_server: MakeServer, tried: str) -> None:
    async def misuse() -> None:
        await MISUSES[tried](ss)

    async with serving(make_server({"rpc/app.py": ECHO})) as site, connect(site) as socket:
        ss = site.ss
        with pytest.raises(RuntimeError) as caught:
            await asyncio.to_thread(asyncio.run, misuse())
        assert f"from here, asyncio.run_coroutine_threadsafe({tried}, loop)" in str(caught.value)
        assert await socket.result("app.echo", 1) == 1  # it goes on


@pytest.mark.gen_test
async def test_what_the_error_says_works(make_server: MakeServer) -> None:
    async with serving(make_server({"rpc/app.py": ECHO})) as site:
        loop = asyncio.get_running_loop()

        def from_a_thread() -> object:
            return asyncio.run_coroutine_threadsafe(site.ss.rpc("app.echo", 1), loop).result(30)

        assert await asyncio.to_thread(from_a_thread) == 1


def test_one_loop_after_the_other_is_as_ever(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": ECHO})
    for n in range(3):
        assert asyncio.run(ss.rpc("app.echo", n)) == n
