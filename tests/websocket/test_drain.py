"""Stopping: calls under way finish and are answered, new ones are refused, then everybody is told 1001."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path

import pytest

from rpc_sessions import RPCError
from rpc_sessions.transport import framed_socket
from tests.apps import MakeServer, Site, serving, write_app
from tests.conftest import StartProcess
from tests.frames import TEXT, raw_socket
from tests.logs import Logs
from tests.waiting import until
from tests.websocket.test_hang_up import in_flight
from tests.wire import connect, post_call, request

SLOW = """
    import asyncio

    def actions(req, res, ss):
        ss.api.ended, ss.api.gate = [], asyncio.Event()

        async def echo(value):
            return value

        async def wait(span):
            try:
                await asyncio.sleep(span)
                return "done"
            except asyncio.CancelledError:
                await asyncio.sleep(0.02)
                ss.api.ended.append("cancelled")
                raise

        async def hold():
            await ss.api.gate.wait()
            return "done"

        return echo, wait, hold
"""


@pytest.mark.gen_test
async def test_calls_under_way_finish_and_new_ones_are_refused(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SLOW}, metrics=True)
    async with serving(ss) as site, connect(site) as busy, connect(site) as idle:
        slow = await busy.begin("app.hold")
        posted = asyncio.ensure_future(post_call(site, "app.hold"))
        while await in_flight(site) < 2:  # noqa: ASYNC110 (the server is asked)
            await asyncio.sleep(0.01)
        stopping = asyncio.ensure_future(ss.stop(drain=60))
        assert await idle.closed() == (1001, "going away")
        refused = await busy.begin("app.echo", 1)
        reply = await busy.reply()
        assert (reply["id"], reply["error"]["code"]) == (refused, -32000)
        assert reply["error"]["message"] == "The server is shutting down"
        with pytest.raises(OSError, match="Connect call failed"):
            await connect(site).__aenter__()
        assert not stopping.done()
        ss.api.gate.set()
        reply = await busy.reply()
        assert (reply["id"], reply["result"]) == (slow, "done")
        assert await busy.closed() == (1001, "going away")
        assert (await posted)["result"] == "done"
        await stopping
        assert ss.api.ended == []


@pytest.mark.gen_test
async def test_what_is_not_done_in_time_is_cancelled(
    make_server: MakeServer, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(framed_socket, "CLOSING", 60.0)
    ss = make_server({"rpc/app.py": SLOW})
    async with serving(ss) as site, connect(site) as socket, raw_socket(site) as deaf:
        await socket.begin("app.wait", 10)
        deaf.send(TEXT, request("app.wait", [10]).encode())
        posted = asyncio.ensure_future(post_call(site, "app.wait", 10))
        inside = asyncio.ensure_future(ss.rpc("app.wait", 10))
        await until(lambda: ss._ready().dispatcher.running == 4)
        start = time.monotonic()
        await ss.stop(drain=0.1)
        assert time.monotonic() - start < 20  # the deaf one is not waited for long
        await until(lambda: ss.api.ended == ["cancelled"] * 4)
        assert (await socket.reply())["error"] == {"code": -32800, "message": "The server is shutting down"}
        assert await socket.closed() == (1001, "going away")
        assert (await posted)["error"]["code"] == -32800
        with pytest.raises(RPCError, match="shutting down"):
            await inside
        assert await deaf.read()
        last = await deaf.read()
        assert last
        assert last.close_code == 1001
        assert await deaf.read(20) is None  # dropped, without the minute it has otherwise
    logs.take("after 0.1 s 4 calls and 1 HTTP requests were still running: cut short")


@pytest.mark.gen_test
async def test_readyz_says_that_the_server_drains(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({"rpc/app.py": SLOW})
    async with serving(ss) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        posted = asyncio.ensure_future(post_call(site, "app.hold"))
        await until(lambda: ss._ready().dispatcher.running)
        assert await readyz(reader, writer) == (200, "ok")
        stopping = asyncio.ensure_future(ss.stop(drain=60))
        await until(lambda: ss._ready().dispatcher.draining)
        assert await readyz(reader, writer) == (503, "draining")
        writer.close()
        ss.api.gate.set()
        assert (await posted)["result"] == "done"
        await stopping
    logs.take("503 GET /readyz")


async def readyz(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, str]:
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    size = int(head.split("content-length: ")[1].split("\r\n")[0])
    return int(head.split()[1]), json.loads(await reader.readexactly(size))["status"]


@pytest.mark.gen_test
async def test_stop_may_come_twice_and_without_a_start(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": SLOW})
    await ss.stop()
    await ss.stop()
    async with serving(make_server({"rpc/app.py": SLOW})) as site, connect(site) as socket:
        await asyncio.gather(site.ss.stop(), site.ss.stop())
        assert (await socket.closed())[0] == 1001


APP = """
from rpc_sessions import Server
import sys
ss = Server(sys.argv[1])
ss.options.drain = float(sys.argv[3])
ss.run(port=int(sys.argv[2]))
"""


@pytest.mark.parametrize(("stop", "drain", "span"), [(signal.SIGTERM, 60, 3), (signal.SIGINT, 0.1, 30)])
@pytest.mark.gen_test
async def test_a_signal_drains_a_real_server(
    stop: signal.Signals, drain: float, span: float, tmp_path: Path, start_process: StartProcess, free_port: int
) -> None:
    source = SLOW.replace("ss.api.ended.append", "print")
    root = write_app(tmp_path, {"rpc/app.py": source, "serve.py": APP})
    process = start_process([root / "serve.py", root, str(free_port), str(drain)], free_port)
    async with connect(Site(None, free_port)) as socket:  # type: ignore[arg-type]  # it is in another process
        assert await socket.result("app.echo", 1) == 1
        slow = await socket.begin("app.wait", span)
        await socket.result("app.echo", 2)
        process.popen.send_signal(stop)
        if drain > span:
            reply = await socket.reply()
            assert (reply["id"], reply["result"]) == (slow, "done")
        assert await socket.closed() == (1001, "going away")
    assert process.wait() == 0
    assert ("cancelled" in process.output) == (drain < span)
    assert "Traceback" not in process.output
