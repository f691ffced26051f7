"""The pages of the examples, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect, sync_playwright

from tests.examples.conftest import StartExample
from tests.requirements import needs


@pytest.fixture
def browser() -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=needs("chromium"), args=["--no-sandbox"])
        context = chromium.new_context()
        context.set_default_timeout(10_000)
        yield context
        chromium.close()


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
    page.reload()
    expect(page.locator("#count")).to_have_text("2")


def test_login_on_either_side(start_example: StartExample, browser: BrowserContext) -> None:
    page = browser.new_page()
    page.goto(start_example("03_login_with_middleware").url)
    http, websocket = page.locator("#http"), page.locator("#ws")
    for log_in, log_out in (("#login", "text=log out over HTTP"), ("text=log in over HTTP", "#logout")):
        expect(http).to_have_text("nobody")
        expect(websocket).to_have_text("nobody")
        page.click(log_in)
        expect(http).to_have_text("ada")
        expect(websocket).to_have_text("ada")
        page.click(log_out)
    expect(http).to_have_text("nobody")
    expect(websocket).to_have_text("nobody")
