"""examples/06_express"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import randrange

import pytest
from playwright.sync_api import BrowserContext, expect
from websockets import ConnectionClosed

from tests.examples.test_pages import browser
from tests.examples.visitor import PATIENCE, CallFailed, Socket, Visitor
from tests.processes import REPOSITORY
from tests.requirements import NPM, needs_npm
from tests.stores.servers import wait_until

__all__ = ["browser"]  # a fixture

EXAMPLE = REPOSITORY / "examples" / "06_express"


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def is_free(port: int) -> bool:
    with socket.socket() as server, suppress(OSError):
        server.bind(("127.0.0.1", port))
        return True
    return False


def two_ports() -> int:
    """A free port whose successor is free, too. Below those that the system gives to clients."""
    while not all(map(is_free, (port := randrange(20_000, 32_000), port + 1))):
        pass
    return port


class Example:
    """The example in a folder of its own, with the packages of tests/npm, as the leader of a group of processes."""

    def __init__(self, folder: Path) -> None:
        needs_npm("session-file-store")
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "sessions"))
        (folder / "node_modules").symlink_to(NPM / "node_modules")
        self.port = two_ports()
        self.popen = subprocess.Popen(
            [sys.executable, folder / "app.py"],
            env={**os.environ, "PORT": str(self.port)},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def ports(self) -> tuple[int, int]:
        return self.port, self.port + 1

    def visit(self) -> tuple[Visitor, Visitor]:
        """(at ours, at Express): one browser, so after a request hand the cookie on."""
        ours, express = (Visitor(f"http://127.0.0.1:{port}") for port in self.ports)
        return ours, express

    def end(self) -> None:
        """End it, and what it may have left behind."""
        self.popen.terminate()
        self.popen.wait(PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    example = Example(tmp_path / "06_express")
    try:
        wait_until(lambda: all(map(listens, example.ports)) or example.popen.poll() is not None, PATIENCE)
        yield example
    finally:
        example.end()


def test_log_in_on_either_side(example: Example) -> None:
    ours, express = example.visit()
    assert express.get("/me").json is None
    reply = express.post("/login", {"name": "ada"})
    assert (reply.status, reply.headers["Location"]) == (303, f"http://127.0.0.1:{example.port}")
    ours.cookie = express.cookie
    assert ours.rpc("account.whoami") == "ada"
    with ours.websocket() as websocket:
        assert websocket.rpc("account.whoami") == "ada"
        websocket.rpc("account.logout")
        express.cookie = ours.cookie  # through the ticket
        assert express.get("/me").json is None
        websocket.rpc("account.login", "bob")
        express.cookie = ours.cookie
        assert express.get("/me").json == "bob"


def why_refused(websocket: Socket) -> int:
    """The code that a call fails with, or that the connection is closed with."""
    try:
        websocket.rpc("account.whoami")
    except CallFailed as failure:
        return failure.code
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 0
    raise AssertionError("it was answered")


def test_a_log_out_at_express_ends_the_websocket(example: Example) -> None:
    ours, express = example.visit()
    express.post("/login", {"name": "ada"})
    ours.cookie = express.cookie
    with ours.websocket() as websocket:
        assert express.post("/logout").status == 303
        assert why_refused(websocket) in (-32001, 4401)  # the close may come first
    assert ours.rpc("account.whoami") is None


def test_the_page(example: Example, browser: BrowserContext) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{example.port}")
    express, websocket = page.locator("#express"), page.locator("#ws")

    def says(name: str) -> None:
        expect(express).to_have_text(name)
        expect(websocket).to_have_text(name)

    for log_in, log_out in (("text=at Express >> nth=0", "#logout"), ("#login", "text=at Express >> nth=1")):
        says("nobody")
        page.fill("[name=name]", "bob")
        page.click(log_in)
        says("bob")
        page.reload()
        says("bob")
        page.click(log_out)
    says("nobody")


@pytest.mark.parametrize("end", ["ctrl-c", "sigterm"])
def test_both_end_together(example: Example, end: str) -> None:
    if end == "ctrl-c":  # a terminal sends it to both
        os.killpg(example.popen.pid, signal.SIGINT)
    else:
        example.popen.terminate()
    assert example.popen.wait(PATIENCE) == 0
    assert not any(map(listens, example.ports))


def test_it_says_what_to_install(tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLE, tmp_path / "06", ignore=shutil.ignore_patterns("node_modules", "sessions"))
    command = [sys.executable, str(folder / "app.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr.strip()) == (1, f"first: npm install --prefix {folder}")


def test_its_packages_are_those_of_the_tests() -> None:
    tested = json.loads((NPM / "package.json").read_text())["dependencies"]
    wanted = json.loads((EXAMPLE / "package.json").read_text())["dependencies"]
    assert wanted == {name: tested[name] for name in wanted}
