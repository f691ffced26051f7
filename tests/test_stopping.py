"""Ctrl-C and SIGTERM: a server ends soon, whatever its store does, and says nothing of its insides."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.apps import SECRET, write_app
from tests.conftest import StartProcess
from tests.processes import Process, find_free_port
from tests.server.conftest import serve
from tests.stores.mongo_process import MongoProcess
from tests.stores.servers import wait_until
from tests.wire import JSON_TYPE, request

SOON = 25.0  # seconds, on a busy machine; a store that hangs is waited for longer than this if nothing breaks it off
APP = f"""
    import sys
    from pathlib import Path
    from rpc_sessions import Server

    port, uri = sys.argv[1:]
    ss = Server(Path(__file__).parent)
    ss.session.options.secret = "{SECRET}"
    ss.session.store.use("mongodb", uri=uri)

    @ss.http.route("/visits")
    async def visits(req, res):
        req.session["visits"] = req.session.get("visits", 0) + 1
        return str(req.session["visits"])

    ss.run(port=int(port))
"""
SLOW = f"""
    import asyncio, sys
    from pathlib import Path
    from rpc_sessions import Server

    ss = Server(Path(__file__).parent)
    ss.session.options.secret = "{SECRET}"
    ss.options.call_deadline = 90
    ss.options.drain = {{drain}}
    ss.run(port=int(sys.argv[1]), processes=int(sys.argv[2]))
"""
SLEEP = """
    import asyncio

    def actions(req, res, ss):
        async def sleep():
            ss.log.info("asleep")
            await asyncio.sleep(80)

        return [sleep]
"""
THREAD = """
    import asyncio, time

    def actions(req, res, ss):
        async def sleep():
            ss.log.info("asleep")
            await asyncio.to_thread(time.sleep, 80)

        return [sleep]
"""
TELLS_ITSELF = """
    import os, signal

    os.kill(os.getpid(), signal.{name})
    raise ImportError("there is no uvloop")
"""


@contextmanager
def nobody() -> Iterator[int]:
    """A port where nobody listens."""
    yield find_free_port()


@contextmanager
def silent() -> Iterator[int]:
    """A port where connections are accepted, and nothing is answered."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def check_stops(process: Process, times: int = 1) -> None:
    """Assert that Ctrl-C, so many times, ends it soon and in good order."""
    for _ in range(times):
        process.popen.send_signal(signal.SIGINT)
        time.sleep(0.05)
    # The second may find a program that has stopped, and is on its way out.
    assert process.wait(SOON) in ((0,) if times == 1 else (0, -signal.SIGINT)), process.output
    assert "Traceback" not in process.output, process.output


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("after", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("store", [nobody, silent], ids=lambda store: store.__name__)
def test_while_its_store_was_never_there(
    free_port: int, store: Callable[[], AbstractContextManager[int]], after: float, times: int
) -> None:
    with store() as port, serve(free_port, MONGODB_URI=f"mongodb://127.0.0.1:{port}") as process:
        wait_until(lambda: "serving" in process.output)
        time.sleep(after)
        check_stops(process, times)


def test_as_soon_as_its_port_is_open() -> None:
    """Its loop may not hear of signals yet."""
    for _ in range(5):
        with serve(find_free_port()) as process:
            check_stops(process)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_before_it_has_a_loop(start_process: StartProcess, tmp_path: Path, name: str, processes: int) -> None:
    """A port that is open has to be let go in good order, as there may be clients."""
    files = {"app.py": SLOW.format(drain=60), "rpc/app.py": SLEEP, "uvloop.py": TELLS_ITSELF.format(name=name)}
    process = start_process([write_app(tmp_path / "app", files) / "app.py", str(find_free_port()), str(processes)])
    assert process.wait(SOON) == 0, process.output
    assert re.search("serving.*stopping.*stopped", process.output, re.DOTALL), process.output
    assert process.output.count("stopped") == processes, process.output


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["gone", "hangs"])
def test_while_its_store_is_not_there_any_more(start_process: StartProcess, tmp_path: Path, number: int) -> None:
    app, port = write_app(tmp_path / "app", {"app.py": APP}), find_free_port()
    mongo = MongoProcess(tmp_path / "mongo", replica_set=True)
    mongo.start()
    try:
        process = start_process([app / "app.py", str(port), mongo.uri], port)
        assert urlopen(f"{process.url}/visits", timeout=60).read() == b"1"
        time.sleep(0.5)  # it watches
        mongo.send(number)
        check_stops(process)
    finally:
        mongo.crash()


@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_waits_for_calls_and_once_more_does_not(
    start_process: StartProcess, tmp_path: Path, processes: int
) -> None:
    app, port = write_app(tmp_path / "app", {"app.py": SLOW.format(drain=60), "rpc/app.py": SLEEP}), find_free_port()
    process = start_process([app / "app.py", str(port), str(processes)], port)
    call = Request(f"{process.url}/rpc", request("app.sleep").encode(), JSON_TYPE)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(lambda: json.load(urlopen(call, timeout=60)))
        wait_until(lambda: "asleep" in process.output)
        ctrl_c(process)
        wait_until(lambda: "for 1 running calls" in process.output)
        time.sleep(1)
        assert not answer.done()
        ctrl_c(process)
        assert answer.result(SOON)["error"]["code"] == -32800
        assert process.wait(SOON) == 0, process.output
    assert "Traceback" not in process.output, process.output


@pytest.mark.parametrize("processes", [1, 2])
def test_a_server_that_drains_takes_nobody_new(start_process: StartProcess, tmp_path: Path, processes: int) -> None:
    """Whoever comes is refused at once, and may go to another server."""
    app, port = write_app(tmp_path / "app", {"app.py": SLOW.format(drain=60), "rpc/app.py": SLEEP}), find_free_port()
    process = start_process([app / "app.py", str(port), str(processes)], port)
    with under_way(process):
        process.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: process.output.count("stopping") == processes)
        time.sleep(0.5)  # each has closed its port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
    assert process.wait(SOON) == 0, process.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_thread_that_does_not_end_is_ended_by_one_more_signal(
    start_process: StartProcess, tmp_path: Path, number: int
) -> None:
    app, port = write_app(tmp_path / "app", {"app.py": SLOW.format(drain=0.1), "rpc/app.py": THREAD}), find_free_port()
    process = start_process([app / "app.py", str(port), "1"], port)
    with under_way(process):
        process.popen.send_signal(number)
        wait_until(lambda: "stopped" in process.output)
        time.sleep(0.5)
        assert process.popen.poll() is None  # it waits for the thread
        process.popen.send_signal(number)
        assert process.wait(SOON) == -number, process.output


@contextmanager
def under_way(process: Process) -> Iterator[None]:
    """A call of ``app.sleep``, whose client does not read."""
    call = request("app.sleep").encode()
    head = f"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(call)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", process.port)) as client:
        client.sendall(head.encode() + call)
        wait_until(lambda: "asleep" in process.output)
        yield


def ctrl_c(process: Process) -> None:
    """As a terminal does it: to the process and to those it forked."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        with suppress(ProcessLookupError):  # the first may have ended the others by now
            os.kill(pid, signal.SIGINT)
