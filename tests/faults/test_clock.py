"""The wall clock is set while the server runs: nobody is logged out for good, no sweep takes what has not expired."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.apps import MakeServer, Site, write_app
from tests.conftest import StartProcess
from tests.faults.clock import Clock
from tests.faults.ways import same_id
from tests.http.browser import Browser
from tests.processes import Process, find_free_port
from tests.waiting import until
from tests.wire import Socket

DAY = 24 * 3600.0
STORES = ["memory", "file", "sqlite", "redis", "mongodb"]
APP = """
    def actions(req, res, ss):
        req.use("session")

        async def seen():
            return ss.api.seen(req.session)

        async def put(key: str, value: int):
            req.session[key] = value
            await req.session.save()

        async def log_in(user_id: str):
            await req.session.set_user_id(user_id)

        return [seen, put, log_in]
"""


class Server(NamedTuple):
    """A server whose clock can be set: in a process of its own, on one of the stores."""

    process: Process
    clock: Clock
    site: Site

    @asynccontextmanager
    async def ada(self) -> AsyncIterator[tuple[Browser, Socket]]:
        """A browser that is logged in, with its socket."""
        browser = Browser(self.site)
        await browser.rpc("app.put", "tea", 2)
        await browser.rpc("app.log_in", "ada")
        async with browser.socket() as socket:
            yield browser, socket

    async def notices(self, jumps: int) -> None:
        """Wait until the log has told of so many jumps."""
        await until(lambda: self.process.output.count("the clock jumped") >= jumps)

    def says_once(self, sentence: str) -> None:
        """Assert that a line of the log holds this sentence, and that nothing went wrong."""
        assert self.process.output.count(sentence) == 1, self.process.output
        assert "Traceback" not in self.process.output, self.process.output


Start = Callable[..., Server]


@pytest.fixture
def start(
    request: pytest.FixtureRequest, start_process: StartProcess, make_server: MakeServer, tmp_path: Path
) -> Start:
    """``start("redis", steady=60)``: sweeps nothing until the clock was steady for so long, in seconds."""

    def start(store: str, steady: float = 60) -> Server:
        clock, port = Clock(tmp_path), find_free_port()
        name, options = ("sql" if store == "sqlite" else store), options_of(store, request, tmp_path)
        app = write_app(tmp_path / "app", {"rpc/app.py": APP})
        arguments: list[str | Path] = [
            "-m",
            "tests.faults.clock_app",
            str(port),
            app,
            str(steady),
            name,
            json.dumps(options),
        ]
        return Server(start_process(arguments, port, env=clock.env), clock, Site(make_server({}), port))

    return start


def options_of(store: str, request: pytest.FixtureRequest, folder: Path) -> dict[str, str]:
    """What the store is used with."""
    if store == "file":
        return {"path": f"{folder}/sessions"}
    if store == "sqlite":
        return {"url": f"sqlite+aiosqlite:///{folder}/sessions.db"}
    if store == "redis":
        return {"url": request.getfixturevalue("redis_server").url, "prefix": request.getfixturevalue("own")}
    if store == "mongodb":
        return {"uri": request.getfixturevalue("mongo_uri"), "database": request.getfixturevalue("mongo_database")}
    return {}


async def seen(browser: Browser, socket: Socket) -> list[dict[str, Any]]:
    """What the session is, over the WebSocket, HTTP POST and an HTTP route."""
    route = json.loads((await browser.get("/seen")).body)
    return [await socket.result("app.seen"), await browser.rpc("app.seen"), route]


def what(seen: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    """The users and the values."""
    return [(each["user"], each["values"]) for each in seen]


@pytest.mark.parametrize("store", STORES)
@pytest.mark.gen_test
async def test_it_is_set_back(start: Start, store: str) -> None:
    server = start(store)
    async with server.ada() as (browser, socket):
        (before, *_) = await seen(browser, socket)
        for number, back in enumerate((3600.0, 5 * 365 * DAY)):
            server.clock.set(-back)
            await server.notices(number + 1)
            await asyncio.sleep(0.5)  # pings and sweeps go on
            for caller in (socket.result, browser.rpc):
                await caller("app.put", "n", number)
            now = await seen(browser, socket)
            assert what(now) == [("ada", {"tea": 2, "n": number})] * 3
            assert all(each["expires"] >= before["expires"] for each in now), "an expiry was pulled in"
        server.clock.set(0)
        assert what(await seen(browser, socket)) == [("ada", {"tea": 2, "n": 1})] * 3
    server.says_once("the clock jumped by -3600 s")


@pytest.mark.parametrize("store", ["memory", "file", "sqlite"])
@pytest.mark.gen_test
async def test_sessions_begin_and_move_while_it_is_wrong(start: Start, store: str) -> None:
    """In a database with a clock of its own, what is new would have expired."""
    server = start(store)
    for wrong in (-5 * 365 * DAY, 60 * DAY):
        server.clock.set(wrong)
        async with server.ada() as (browser, socket):
            await socket.result("app.log_in", "eve")
            await browser.take_ticket(socket)
            assert what(await seen(browser, socket)) == [("eve", {"tea": 2})] * 3


@pytest.mark.parametrize("store", STORES)
@pytest.mark.gen_test
async def test_it_is_set_ahead_of_all_lifetimes_and_back(start: Start, store: str) -> None:
    server = start(store)
    async with server.ada() as (browser, socket):
        cookie = browser.cookie
        server.clock.set(60 * DAY)
        assert what([json.loads((await browser.get("/seen")).body)]) == [(None, {})]
        assert await socket.closed() == (4401, "session ended")
        if store != "memory":  # there a handshake with a dead id is given another at once
            async with browser.socket() as another:
                assert what([await another.result("app.seen")]) == [(None, {})]
        await server.notices(1)
        await asyncio.sleep(1)  # five sweeps
        assert same_id(browser.cookie, cookie), "the browser lost its cookie to a wrong clock"

        server.clock.set(0)
        async with browser.socket() as another:
            assert what(await seen(browser, another)) == [("ada", {"tea": 2})] * 3
    server.says_once("the clock jumped by +5184000 s")


@pytest.mark.gen_test
async def test_it_stays_ahead(start: Start, tmp_path: Path) -> None:
    """As when a machine wakes up: a while later, sweeping goes on."""

    def stored() -> int:
        return len(list(tmp_path.glob("sessions/*.json")))

    server = start("file", steady=4)
    await Browser(server.site).rpc("app.put", "tea", 2)
    await asyncio.sleep(4.5)
    server.clock.set(60 * DAY)
    await server.notices(1)
    assert stored() == 1
    await until(lambda: not stored())
