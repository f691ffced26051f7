"""The pages of the examples, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.chromium import chromium, new_context
from tests.examples.conftest import StartExample


@pytest.fixture
def browser() -> Iterator[BrowserContext]:
    with chromium() as browser:
        yield new_context(browser)


def test_echo(start_example: StartExample, browser: BrowserContext) -> None:
    page = browser.new_page()
    page.goto(start_example("01_echo").url)
    page.fill("#text", "hello")
    expect(page.locator("#echo")).to_have_text("hello")


def test_session_counter(start_example: StartExample, browser: BrowserContext) -> None:
    url = start_example("02_session_counter").url
    page, other_tab = browser.new_page(), browser.new_page()
    page.goto(url)
    expect(page.locator("#count")).to_have_text("0")
    other_tab.goto(url)
    page.click("#ws")
    expect(page.locator("#count")).to_have_text("1")
    expect(other_tab.locator("#count")).to_have_text("1")
    page.click("#http")
    expect(page.locator("#count")).to_have_text("2")
    expect(other_tab.locator("#count")).to_have_text("2")
    page.reload()
    expect(page.locator("#count")).to_have_text("2")


def test_login_on_either_side(start_example: StartExample, browser: BrowserContext) -> None:
    page = browser.new_page()
    page.goto(start_example("03_login_with_middleware").url)
    http, websocket = page.locator("#http"), page.locator("#ws")
    for log_in, log_out in (("#login", "text=over HTTP >> nth=1"), ("text=over HTTP >> nth=0", "#logout")):
        expect(http).to_have_text("nobody")
        expect(websocket).to_have_text("nobody")
        page.click(log_in)
        expect(http).to_have_text("ada")
        expect(websocket).to_have_text("ada")
        page.click(log_out)
    expect(http).to_have_text("nobody")
    expect(websocket).to_have_text("nobody")


def test_plain_tornado(start_example: StartExample, browser: BrowserContext) -> None:
    page = browser.new_page()
    page.goto(start_example("04_plain_tornado").url)
    for count in (1, 2):
        page.click("#add")
        expect(page.locator("li")).to_have_text([f"{count} apple"])
    page.click("#empty")
    expect(page.locator("li")).to_have_count(0)


def test_the_page_says_what_went_wrong(start_example: StartExample, browser: BrowserContext) -> None:
    page = browser.new_page()
    page.goto(start_example("03_login_with_middleware").url)
    expect(page.locator("#ws")).to_have_text("nobody")
    said = page.locator("#said")
    page.click("#read")
    expect(said).to_have_text("log in first")
    page.fill("[name=password]", "wrong")
    for log_in in ("text=over HTTP >> nth=0", "#login"):
        page.click(log_in)
        expect(said).to_have_text("wrong name or password")
        page.click("#read")
        expect(said).to_have_text("log in first")
    page.fill("[name=password]", "lovelace")
    page.click("#login")
    expect(page.locator("#http")).to_have_text("ada")
    page.click("#read")
    expect(said).to_have_text("ada, all is well")


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("example", ["01_echo", "02_session_counter", "03_login_with_middleware", "04_plain_tornado"])
def test_a_page_asks_for_nothing_that_is_not_there_and_fits(
    start_example: StartExample, browser: BrowserContext, example: str, width: int
) -> None:
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": 640})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    url = start_example(example).url
    page.goto(url, wait_until="networkidle")
    assert set(asked) - {"/me"} == {"/", "/rpc/client.js"}
    assert page.evaluate("document.querySelector('link[rel=icon]').href").startswith("data:image/svg+xml,")
    assert page.evaluate("document.documentElement.scrollWidth") == width
