"""The application in a process of its own, and a browser that visits it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.chromium import chromium, new_context
from tests.processes import Process, find_free_port

SECRET = "a secret of the tests"


def serve(port: int, **env: str) -> Process:
    """``python -m server``, not started yet."""
    ours = {"PORT": str(port), "HOST": "", "MONGODB_URI": "", "SESSION_SECRET": SECRET}
    return Process(["-m", "server"], port, env={**ours, **env})


class Tab:
    """The page in a tab, as a visitor uses it. ``http`` and ``socket`` are its two sides."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.http = Side(page.locator('[data-side="HTTP"]'))
        self.socket = Side(page.locator('[data-side="WebSocket"]'))
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        # Of two tabs that begin anew at once, one may be late with its ticket: it is refused, and joins the other.
        late_ticket = message.location["url"].endswith("/rpc/session") and "403" in message.text
        if message.type == "error" and not late_ticket:
            self.errors.append(message.text)

    def open(self) -> Tab:
        self.page.goto(self.url)
        self.sees_one_session()
        return self

    def sees_one_session(self) -> None:
        expect(self.page.locator("#same")).to_have_attribute("data-state", "same")

    def sees_user(self, name: str) -> None:
        """Both sides show this user, in one session."""
        for side in (self.http, self.socket):
            expect(side.user).to_have_text(name)
        self.sees_one_session()

    def sees_cart(self, cart: dict[str, int]) -> None:
        """Both sides show this cart."""
        for side in (self.http, self.socket):
            expect(side.root.locator(".item-name")).to_have_text(list(cart))
            expect(side.root.locator("output")).to_have_text([str(count) for count in cart.values()])

    def logged(self, text: str) -> Locator:
        """The rows of the log with a text."""
        return self.page.locator("#log li", has_text=text)

    def call(self, method: str, params: str = "", over: str = "WebSocket") -> None:
        self.page.get_by_label("Method").fill(method)
        self.page.get_by_label("Params").fill(params)
        self.page.get_by_label(over, exact=True).check()
        self.page.get_by_role("button", name="Call", exact=True).click()

    @property
    def reply(self) -> Locator:
        return self.page.locator("#reply")


class Side:
    """One of the two cards."""

    def __init__(self, root: Locator) -> None:
        self.root = root
        self.user = root.locator('[data-part="user"]')
        self.key = root.locator('[data-part="key"]')
        self.error = root.locator('[data-part="error"]')

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def log_in(self, name: str) -> None:
        self.root.get_by_label("Name").fill(name)
        self.button("Log in").click()

    def add(self, item: str) -> None:
        self.root.get_by_label("Item").fill(item)
        self.button("Add").click()


OpenTab = Callable[[], Tab]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An application that keeps its sessions in memory."""
    with serve(find_free_port()) as process:
        yield process.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without cookies."""
    context = new_context(browser)
    yield context
    context.close()


@pytest.fixture
def open_tab(context: BrowserContext, url: str) -> Iterator[OpenTab]:
    """``open_tab()``: one more tab of one browser, on the page. An error on its console fails the test."""
    tabs: list[Tab] = []

    def open() -> Tab:
        tab = Tab(context.new_page(), url)
        tabs.append(tab)
        return tab.open()

    yield open
    assert [error for tab in tabs for error in tab.errors] == []


@pytest.fixture
def tab(open_tab: OpenTab) -> Tab:
    return open_tab()
