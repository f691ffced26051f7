"""What docs/sessions-over-websocket.md says is true: its programs run, its numbers and names are the code's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from rpc_sessions.session import browsers, moved, ticket
from rpc_sessions.session.options import SessionOptions
from tests.conftest import StartProcess
from tests.examples.test_pages import browser
from tests.examples.visitor import CallFailed, Socket, Visitor
from tests.processes import REPOSITORY, Process, find_free_port
from tests.test_readme import blocks

__all__ = ["browser"]  # a fixture

DOCS = REPOSITORY / "docs"
PAGE = (DOCS / "sessions-over-websocket.md").read_text()
CLIENT = (REPOSITORY / "rpc_sessions" / "client" / "index.js").read_text()


@pytest.fixture
def server(tmp_path: Path, start_process: StartProcess) -> Process:
    """The page's application: a block's first line names its file."""
    port = find_free_port()
    for block in blocks(PAGE, "python") + blocks(PAGE, "html"):
        first, rest = block.split("\n", 1)
        path = tmp_path / first.strip("#<!-> ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(rest.replace("3000", str(port)))
    return start_process(["app.py"], port, cwd=tmp_path)


def test_calls_and_saves(server: Process) -> None:
    visitor = Visitor(server.url)
    with visitor.websocket() as socket, visitor.websocket() as tab:
        assert socket.rpc("cart.add", "tea") == ["tea"]
        assert tab.event() == ("rpc.session", {"changed": ["cart"]})
        assert visitor.get("/me").json == {"user": None, "cart": ["tea"]}
        assert socket.rpc("draft.write", "Dear Ada") is None
        assert tab.event() == ("rpc.session", {"changed": ["draft"]})
        assert tab.rpc("view.cart") == ["tea"]
        assert (socket.events, tab.events) == ([], [])


def test_log_in_and_out(server: Process) -> None:
    visitor = Visitor(server.url)
    with visitor.websocket() as socket, visitor.websocket() as tab:
        old = Visitor(server.url, visitor.cookie)
        socket.rpc("user.log_in", "ada")
        assert visitor.cookie != old.cookie
        assert visitor.get("/me").json == {"user": "ada", "cart": []}
        assert tab.rpc("user.who") == "ada"
        assert old.get("/me").json == {"user": None, "cart": []}
        socket.rpc("user.log_out")
        assert visitor.get("/me").json == {"user": None, "cart": []}


def test_the_grace(server: Process) -> None:
    visitor = Visitor(server.url)
    with visitor.websocket() as socket:
        socket.rpc("cart.add", "tea")
        untold = Socket(socket.connection, Visitor(server.url, visitor.cookie))
        untold.rpc("user.log_in", "ada")
        stale = Visitor(server.url, visitor.cookie)
        with pytest.raises(CallFailed) as refused:
            stale.rpc("cart.add", "milk")
        (error,) = refused.value.args
        assert (error["code"], error["message"]) == (-32001, moved.Moved.MESSAGE)
        assert f'"{moved.Moved.MESSAGE}"' in PAGE
        assert stale.cookie == visitor.cookie


def test_the_client_that_is_not_ours(server: Process, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "client.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == {"user": "ada", "cart": ["tea"]}
    assert server.popen.poll() is None


def test_the_page(server: Process, browser: BrowserContext) -> None:
    page, tab = browser.new_page(), browser.new_page()
    for each in (page, tab):
        each.goto(server.url)
        expect(each.locator("#out")).to_have_text("[null,[]]")
    page.click("#enter")
    for each in (page, tab):
        expect(each.locator("#out")).to_have_text('["ada",[]]')
    page.click("#leave")
    for each in (page, tab):
        expect(each.locator("#out")).to_have_text("[null,[]]")


def test_the_numbers_are_those_of_the_code() -> None:
    def constant(name: str) -> float:
        (value,) = re.findall(rf"^const {name} = ([\d_]+);", CLIENT, re.MULTILINE)
        return float(value)

    assert f"for {moved.GRACE:.0f} seconds there is a note" in PAGE
    assert {float(said) for said in re.findall(r"\b(\d+) seconds are over", PAGE)} == {moved.GRACE}
    assert f"good once, for {ticket.LIFETIME:.0f} seconds" in PAGE
    assert f"or {browsers.MOST_RENEWALS} were asked for" in PAGE
    assert f"until the cookie is there, {constant('HOLD_MS') / 1000:.0f} seconds at most" in PAGE
    assert f"tries again after {constant('TICKET_RETRY_MS') / 1000} seconds" in PAGE
    assert constant("MORE_TICKETS") == 2
    assert "another ticket, twice at most" in PAGE
    assert f"{SessionOptions().poll_interval:.0f} seconds by default" in PAGE


def test_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", PAGE) if "://" not in link]
    places = re.findall(r"\bexamples/\w+", PAGE)
    assert places
    assert not [link for link in links if not (DOCS / link).exists()]
    assert not [place for place in places if not (REPOSITORY / place).exists()]
