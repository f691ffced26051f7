"""What a real browser lets pages of others do: plant a cookie, and make requests that carry Ada's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.apps import write_app
from tests.conftest import StartProcess
from tests.examples.test_pages import browser
from tests.processes import find_free_port

__all__ = ["browser"]  # a fixture

FILES = {
    "app.py": """
        import os
        from pathlib import Path
        from rpc_sessions import Server

        ss = Server(Path(__file__).parent)
        ss.session.options.secret = "0123456789abcdef"
        ss.options.origins = os.environ.get("ORIGINS", "").split()
        if key := os.environ.get("KEY"):
            ss.session.options.key = key
            ss.session.options.cookie.secure = True

        @ss.http.route("/")
        async def page(req, res):
            return "a page"

        @ss.http.route("/visits")
        async def visits(req, res):
            req.session["visits"] = req.session.get("visits", 0) + 1
            return str(req.session["visits"])

        @ss.http.route("/log_in", methods=["POST"])
        async def log_in(req, res):
            await req.session.set_user_id("ada")

        @ss.http.route("/pay", methods=["POST"])
        async def pay(req, res):
            req.session["paid"] = [*req.session.get("paid", []), req.params["by"]]
            return "paid"

        @ss.http.route("/paid")
        async def paid(req, res):
            return f"{req.session.user_id} {req.session.get('paid', [])}"

        ss.run(port=int(os.environ["PORT"]))
    """,
    "rpc/app.py": """
        def actions(req, res, ss):
            req.use("session", autosave=True)

            async def pay(by: str):
                req.session["paid"] = [*req.session.get("paid", []), by]

            return [pay]
    """,
}


class Start(NamedTuple):
    """Starts the application, for a host of its own."""

    folder: Path
    start: StartProcess

    def __call__(self, **env: str) -> int:
        port = find_free_port()
        self.start(["app.py"], port, env={"PORT": str(port), **env}, cwd=write_app(self.folder, FILES))
        return port


@pytest.fixture
def start(tmp_path: Path, start_process: StartProcess) -> Start:
    return Start(tmp_path / "app", start_process)


# -- a subdomain ---------------------------------------------------------------------------------------


@pytest.fixture
def other(browser: BrowserContext) -> Iterator[Page]:
    """A page in another browser."""
    assert browser.browser
    context = browser.browser.new_context()
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(("key", "falls_for_it"), [("connect.sid", True), ("__Host-sid", False)])
def test_a_subdomain_cannot_plant_a_cookie_with_the_prefix(
    key: str, falls_for_it: bool, browser: BrowserContext, other: Page, start: Start
) -> None:
    """Chromium takes hosts below localhost for this machine, and for as safe as https."""
    port = start(KEY=key)
    for _ in range(5):
        other.goto(f"http://shop.localhost:{port}/visits")
    (cookie,) = other.context.cookies()
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == (key, True, True)
    planted = f"{key}={cookie['value']}; Secure; Path=/; Domain=shop.localhost"
    page = browser.new_page()
    page.goto(f"http://evil.shop.localhost:{port}/")
    page.evaluate("(cookie) => (document.cookie = cookie)", planted)
    page.goto(f"http://shop.localhost:{port}/visits")
    assert page.inner_text("body") == ("6" if falls_for_it else "1")


# -- a page of another origin --------------------------------------------------------------------------

ATTEMPTS = {
    "a form": """
        document.body.innerHTML = `<iframe name="to"></iframe>
            <form method="post" action="${site}/pay" target="to"><input name="by" value="${by}"></form>`;
        document.forms[0].submit();
    """,
    "a form of text, for a call": """
        document.body.innerHTML = `<iframe name="to"></iframe>
            <form method="post" action="${site}/rpc" target="to" enctype="text/plain"></form>`;
        const input = document.createElement("input");
        input.name = call.slice(0, -1) + ', "x": "';
        input.value = '"}';
        document.forms[0].append(input);
        document.forms[0].submit();
    """,
    "fetch of a form": """
        const body = new URLSearchParams({ by });
        await fetch(site + "/pay", { method: "POST", body, credentials: "include", mode: "no-cors" });
    """,
    "fetch of text": """
        await fetch(site + "/rpc", { method: "POST", body: call, credentials: "include", mode: "no-cors" });
    """,
    "fetch of JSON": """
        const headers = { "Content-Type": "application/json" };
        await fetch(site + "/rpc", { method: "POST", body: call, credentials: "include", headers });
    """,
    "a beacon": """
        navigator.sendBeacon(site + "/rpc", new Blob([call], { type: "application/json" }));
    """,
    "a WebSocket": """
        const socket = new WebSocket(site.replace("http", "ws") + "/rpc");
        await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
        socket.send(call);
    """,
}
NEVER = ("a form of text, for a call", "fetch of text")  # not from our own pages, either
RUN = """([site, by, script]) => {
    const call = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "app.pay", params: [by] });
    const run = new (async () => {}).constructor("site", "by", "call", script);
    return run(site, by, call).catch(() => null);
}"""


def attempt(page: Page, site: str, works: list[str]) -> None:
    """Make all requests, one after the other. works: those that have an effect, which is waited for."""
    for by, script in ATTEMPTS.items():
        before = paid(page, site)
        page.evaluate(RUN, [site, by, script])
        page.wait_for_timeout(200)  # frames and beacons say nothing when they are through
        end = time.monotonic() + 30
        while by in works and paid(page, site) == before:
            assert time.monotonic() < end, by
            page.wait_for_timeout(20)


def paid(page: Page, site: str) -> str:
    return page.context.request.get(f"{site}/paid").text()


@pytest.mark.parametrize("listed", [False, True], ids=["another origin", "listed in options.origins"])
def test_a_page_of_another_origin_does_nothing_in_adas_name(
    listed: bool, browser: BrowserContext, start: Start
) -> None:
    """Of another port: the site is the same, so Chromium sends the cookie, and only the server can refuse."""
    evil = f"http://127.0.0.1:{start()}"
    site = f"http://127.0.0.1:{start(ORIGINS=evil if listed else '')}"
    ours, hers = browser.new_page(), browser.new_page()
    ours.goto(site)
    ours.evaluate("fetch('/log_in', { method: 'POST' })")
    hers.goto(evil)
    done = [by for by in ATTEMPTS if by not in NEVER]
    attempt(hers, site, done if listed else [])
    assert paid(ours, site) == f"ada {done if listed else []}"
    ours.goto(site)
    attempt(ours, site, done)
    assert paid(ours, site) == f"ada {done + done if listed else done}"
