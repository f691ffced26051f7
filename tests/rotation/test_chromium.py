"""Log-ins over WebSocket in Chromium: whatever happens to a ticket, a reload finds whoever logged in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.apps import write_app
from tests.conftest import StartProcess
from tests.examples.test_pages import browser
from tests.examples.visitor import Visitor
from tests.processes import find_free_port

__all__ = ["browser"]  # a fixture

FILES = {
    "app.py": """
        import asyncio, os
        from pathlib import Path
        from rpc_sessions import Server
        from rpc_sessions.session.stores.memory import MemoryStore

        HELD = Path(__file__).parent / "held"

        class HeldStore(MemoryStore):
            async def replace(self, key, record, expected):
                while not record.expires and HELD.exists():  # this is how a ticket is used up
                    await asyncio.sleep(0.01)
                return await super().replace(key, record, expected)

        ss = Server(Path(__file__).parent)
        ss.session.options.secret = "0123456789abcdef"
        if os.environ["STORE"] == "held":
            ss.session.store.use(HeldStore())
        elif os.environ["STORE"] == "file":
            ss.session.store.use("file", path=Path(__file__).parent / "sessions")

        @ss.http.route("/who")
        async def who(req, res):
            return {"user": req.session.user_id or "nobody", **req.session}

        @ss.http.route("/put", methods=["POST"])
        async def put(req, res):
            req.session["put"] = req.session.get("put", 0) + 1

        ss.run(port=int(os.environ["PORT"]))
    """,
    "rpc/app.py": """
        def actions(req, res, ss):
            req.use("session")

            async def who():
                return req.session.user_id or "nobody"

            async def log_in(name: str):
                await req.session.set_user_id(name)

            async def log_out(destroy: bool = False):
                await (req.session.destroy() if destroy else req.session.set_user_id(None))

            return who, log_in, log_out
    """,
    "static/index.html": """
        <!doctype html>
        <pre id="who"></pre>
        <script type="module">
          import { connect } from "/rpc/client.js";

          const ss = connect();
          const show = async () => (who.textContent = await ss.rpc("app.who"));
          const events = [];
          for (const name of ["ready", "reconnect", "disconnect"]) ss.on(name, () => events.push(name));
          ss.on("session", ({ reason }) => events.push(reason));
          ss.on("ready", show);
          ss.on("reconnect", show);
          Object.assign(window, { ss, show, events });
        </script>
    """,
}
Start = Callable[[str], str]


class Held(NamedTuple):
    url: str
    let_go: Callable[[], None]


@pytest.fixture
def start(tmp_path: Path, start_process: StartProcess) -> Start:
    """Start the application with a store; its URL."""

    def start(store: str) -> str:
        port = find_free_port()
        write_app(tmp_path / "app", FILES)
        return start_process(["app.py"], port, env={"PORT": str(port), "STORE": store}, cwd=tmp_path / "app").url

    return start


@pytest.fixture
def held(tmp_path: Path, start: Start) -> Held:
    """An application whose exchanges of tickets wait until ``held.let_go()``."""
    url = start("held")
    (tmp_path / "app" / "held").touch()
    return Held(url, (tmp_path / "app" / "held").unlink)


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, start: Start) -> str:
    return start(request.param)


def shows(page: Page, user: str) -> None:
    expect(page.locator("#who")).to_have_text(user)


def visit(browser: BrowserContext, url: str, user: str = "nobody") -> Page:
    """Another tab."""
    page = browser.new_page()
    page.goto(url)
    shows(page, user)
    return page


def over_http(page: Page) -> Any:
    return page.evaluate("fetch('/who').then((reply) => reply.json())")


def stays(page: Page, user: str = "ada") -> None:
    """The user is logged in now and after a reload, over WebSocket and over HTTP."""
    assert page.evaluate("ss.rpc('app.who')") == user
    assert over_http(page)["user"] == user
    page.reload()
    shows(page, user)
    assert over_http(page)["user"] == user


def session_cookie(browser: BrowserContext) -> str:
    (cookie,) = [cookie for cookie in browser.cookies() if cookie["name"] == "connect.sid"]
    return str(cookie["value"])


def told(page: Page, *events: str) -> None:
    """These events, in this order, and no others; the last of them may be on its way."""
    page.wait_for_function(f"events.length >= {len(events)}")
    assert page.evaluate("events") == [*events]


def log_in(page: Page) -> None:
    page.evaluate("ss.rpc('app.log_in', 'ada')")


def test_a_log_in_survives_a_reload_and_the_old_cookie_is_nobodys(browser: BrowserContext, url: str) -> None:
    page = visit(browser, url)
    old = session_cookie(browser)
    log_in(page)
    stays(page)
    assert browser.browser
    thief = browser.browser.new_context()
    thief.add_cookies([{"name": "connect.sid", "value": old, "url": url}])
    stolen = visit(thief, url, "nobody")
    assert over_http(stolen) == {"user": "nobody"}
    stays(page)


def test_a_page_that_is_left_during_the_exchange(browser: BrowserContext, held: Held) -> None:
    page = visit(browser, held.url)
    with page.expect_request("**/rpc/session"):
        page.evaluate("void ss.rpc('app.log_in', 'ada').catch(() => {})")
    page.reload()
    shows(page, "nobody")
    held.let_go()
    shows(page, "ada")  # the socket came with the old cookie, and came back with the new one
    stays(page)


def test_the_other_tab_follows_without_a_reload(browser: BrowserContext, url: str) -> None:
    page, other = visit(browser, url), visit(browser, url)
    log_in(page)
    stays(other)
    assert other.evaluate("events") == ["ready"]
    stays(page)


def test_the_exchange_fails_once(browser: BrowserContext, url: str) -> None:
    page = visit(browser, url)
    page.route("**/rpc/session", lambda route: route.abort(), times=1)
    log_in(page)
    told(page, "ready", "rotated")
    stays(page)


def test_the_exchange_fails_until_another_ticket_is_asked_for(browser: BrowserContext, url: str) -> None:
    page = visit(browser, url)
    page.route("**/rpc/session", lambda route: route.abort(), times=2)
    log_in(page)
    told(page, "ready", "rotated")
    stays(page)


def test_the_reply_to_the_exchange_is_lost(browser: BrowserContext, url: str) -> None:
    page = visit(browser, url)
    old = session_cookie(browser)
    visitor = Visitor(url, f"connect.sid={old}")

    def lose(route: Route) -> None:
        visitor.redeem(json.loads(route.request.post_data or "")["ticket"])
        assert session_cookie(browser) == old
        route.abort()

    page.route("**/rpc/session", lose, times=1)
    log_in(page)
    told(page, "ready", "rotated")
    assert session_cookie(browser) != old
    assert visitor.cookie == f"connect.sid={session_cookie(browser)}"
    stays(page)


def test_a_log_out_in_one_tab_is_one_in_the_other(browser: BrowserContext, url: str) -> None:
    page, other = visit(browser, url), visit(browser, url)
    log_in(page)
    stays(other)
    page.evaluate("ss.rpc('app.log_out')")
    for tab in (other, page):
        stays(tab, "nobody")


def test_a_session_that_ends_in_one_tab_closes_the_other(browser: BrowserContext, url: str) -> None:
    page, other = visit(browser, url), visit(browser, url)
    log_in(page)
    other.evaluate("show()")
    shows(other, "ada")
    page.evaluate("ss.rpc('app.log_out', true)")
    shows(other, "nobody")
    assert other.evaluate("events.slice(0, 4)") == ["ready", "disconnect", "ended", "reconnect"]
    for tab in (other, page):
        stays(tab, "nobody")


BESIDE = """
() => {
  window.outcomes = [];
  const beside = async (request) => outcomes.push((await request()).status);
  let done = false;
  const login = ss.rpc("app.log_in", "ada").finally(() => (done = true));
  window.asking = (async () => {
    while (!done) {
      await Promise.all([
        beside(() => fetch("/who")), beside(() => fetch("/put", { method: "POST" })), beside(() => fetch("/who")),
      ]);
    }
    await login;
  })();
}
"""


def outcomes(page: Page) -> set[int]:
    """What the requests beside a log-in were answered with."""
    return set(page.evaluate("asking.then(() => outcomes)"))


def test_requests_beside_a_log_in_do_not_lose_it(browser: BrowserContext, url: str) -> None:
    """They read on; those that write may be refused until the cookie is there."""
    for _ in range(5):
        page = visit(browser, url)
        page.evaluate(BESIDE)
        assert outcomes(page) <= {200, 204, 401}
        stays(page)
        page.evaluate("ss.rpc('app.log_out', true)")
        page.close()


def test_requests_beside_a_slow_log_in_do_not_lose_it(browser: BrowserContext, held: Held) -> None:
    page = visit(browser, held.url)
    page.evaluate(BESIDE)
    page.wait_for_function("outcomes.includes(401)")
    held.let_go()
    assert {200, 401} <= outcomes(page) <= {200, 204, 401}
    stays(page)
