"""``await ss.stop()`` in a call or a request: it is answered, and does not wait for itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rpc_sessions import HTTPRequest, HTTPResponse, RPCError
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.memory import MemoryStore
from tests.apps import SECRET, MakeServer, Site, serving, write_app
from tests.conftest import StartProcess
from tests.http.browser import Browser
from tests.logs import Logs
from tests.waiting import until
from tests.wire import connect, post_call

STOPS = """
    import asyncio

    def actions(req, res, ss):
        async def at_once(drain):
            await ss.stop(drain)
            return "stopping"

        async def between(drain):
            await asyncio.sleep(0.01)
            await ss.stop(drain)
            await asyncio.sleep(0.01)
            return "stopping"

        async def after_the_answer(drain):
            res("stopping")
            await ss.stop(drain)

        async def in_a_task(drain):
            await asyncio.wait_for(ss.stop(drain), 60)
            return "stopping"

        async def and_hangs(drain):
            await ss.stop(drain)
            await asyncio.sleep(80)

        async def waits():
            await asyncio.sleep(80)

        return at_once, between, after_the_answer, in_a_task, and_hangs, waits
"""
WAYS = ("at_once", "between", "after_the_answer", "in_a_task")
APP = f"""
    import sys
    from pathlib import Path
    from rpc_sessions import Server

    ss = Server(Path(__file__).parent)
    ss.session.options.secret = "{SECRET}"
    ss.run(port=int(sys.argv[1]))
"""


class NotingStore(MemoryStore):
    """calls: the inserts and closes that it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def insert(self, key: str, record: Record) -> bool:
        self.calls.append("insert")
        return await super().insert(key, record)

    async def close(self) -> None:
        self.calls.append("close")
        await super().close()


async def stopped(site: Site, store: NotingStore) -> None:
    """Wait until the server has let go of all."""
    await until(lambda: "close" in store.calls)
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", site.port)


@pytest.mark.parametrize("drain", [0, 30])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.gen_test
async def test_a_call_over_websocket(make_server: MakeServer, way: str, drain: float) -> None:
    ss, store = make_server({"rpc/app.py": STOPS}), NotingStore()
    ss.session.store.use(store)
    async with serving(ss) as site, connect(site) as socket, connect(site) as other:
        assert await socket.result(f"app.{way}", drain) == "stopping"
        assert await socket.closed() == (1001, "going away")
        assert await other.closed() == (1001, "going away")
        await stopped(site, store)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.gen_test
async def test_a_call_over_http_and_one_in_this_process(make_server: MakeServer, way: str) -> None:
    ss, store = make_server({"rpc/app.py": STOPS}), NotingStore()
    ss.session.store.use(store)
    for _ in range(2):  # a server that has stopped may start again
        async with serving(ss) as site:
            assert (await post_call(site, f"app.{way}", 0))["result"] == "stopping"
            await stopped(site, store)
        store.calls.clear()
    async with serving(ss) as site:
        assert await ss.rpc(f"app.{way}", 0) == "stopping"
        await stopped(site, store)


@pytest.mark.gen_test
async def test_a_route_whose_session_is_stored_before_its_answer(make_server: MakeServer) -> None:
    ss, store = make_server({"rpc/app.py": STOPS}), NotingStore()
    ss.session.store.use(store)

    @ss.http.route("/stop")
    async def stop(req: HTTPRequest, res: HTTPResponse) -> str:
        req.session["stopped"] = True
        await ss.stop(drain=0)
        return "stopping"

    async with serving(ss) as site:
        assert (await Browser(site).get("/stop")).body == b"stopping"
        await stopped(site, store)
        assert store.calls.index("insert") < store.calls.index("close")


@pytest.mark.gen_test
async def test_a_call_that_stops_the_server_and_hangs_is_cancelled_with_the_others(
    make_server: MakeServer, logs: Logs
) -> None:
    async with serving(make_server({"rpc/app.py": STOPS})) as site, connect(site) as socket, connect(site) as other:
        waiting = await other.begin("app.waits")
        with pytest.raises(RPCError) as caught:
            await socket.result("app.and_hangs", 0)
        assert caught.value.code == -32800
        reply = await other.reply()
        assert (reply["id"], reply["error"]["code"]) == (waiting, -32800)
    logs.take("after 1 s 2 calls and 0 HTTP requests were still running: cut short")


@pytest.mark.gen_test
async def test_run_ends_with_it(start_process: StartProcess, free_port: int, tmp_path: Path) -> None:
    app = write_app(tmp_path / "app", {"app.py": APP, "rpc/app.py": STOPS})
    process = start_process([app / "app.py", str(free_port)], free_port)
    async with connect(Site(None, free_port)) as socket:  # type: ignore[arg-type]  # it is in another process
        assert await socket.result("app.at_once", 30) == "stopping"
    assert process.wait() == 0, process.output
    assert "Traceback" not in process.output, process.output
