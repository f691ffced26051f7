"""The page in a real browser: whatever one side does, the other side sees."""

from __future__ import annotations

import re
import time
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.processes import find_free_port
from tests.server.conftest import OpenTab, Side, Tab, serve
from tests.stores.servers import wait_until


def test_a_new_visitor_is_one_anonymous_session(tab: Tab) -> None:
    tab.sees_user("Anonymous")
    tab.sees_cart({})
    expect(tab.page.locator("#socket")).to_have_text("Connected")
    assert tab.page.context.cookies()[0]["name"] == "connect.sid"


@pytest.mark.parametrize("side", ["http", "socket"])
def test_who_logs_in_on_one_side_is_logged_in_on_the_other(tab: Tab, side: str) -> None:
    here: Side = getattr(tab, side)
    before = here.key.text_content()
    here.log_in("ada")
    tab.sees_user("ada")
    assert here.key.text_content() != before  # against session fixation
    tab.page.reload()
    tab.sees_user("ada")


@pytest.mark.parametrize("side", ["http", "socket"])
def test_who_logs_out_on_one_side_is_logged_out_on_the_other_and_keeps_the_cart(tab: Tab, side: str) -> None:
    here: Side = getattr(tab, side)
    tab.socket.log_in("ada")
    tab.sees_user("ada")
    here.add("apple")
    tab.sees_cart({"apple": 1})
    here.button("Log out").click()
    tab.sees_user("Anonymous")
    tab.sees_cart({"apple": 1})
    tab.page.reload()
    tab.sees_user("Anonymous")
    tab.sees_cart({"apple": 1})


@pytest.mark.parametrize("side", ["http", "socket"])
@pytest.mark.parametrize("then", ["http", "socket"])
def test_after_the_end_of_a_session_a_new_one_begins_on_both_sides(tab: Tab, side: str, then: str) -> None:
    here: Side = getattr(tab, side)
    there: Side = getattr(tab, then)
    tab.socket.log_in("ada")
    tab.sees_user("ada")
    here.button("End session").click()
    tab.sees_user("Anonymous")
    there.log_in("grace")
    tab.sees_user("grace")
    tab.page.reload()
    tab.sees_user("grace")


def test_the_cart_is_changed_from_both_sides(tab: Tab) -> None:
    tab.http.add("apple")
    tab.sees_cart({"apple": 1})
    tab.socket.add("  brown   bread ")
    tab.sees_cart({"apple": 1, "brown bread": 1})
    tab.socket.button("One more: apple").click()
    tab.http.button("One more: apple").click()
    tab.sees_cart({"apple": 3, "brown bread": 1})
    tab.http.button("One less: apple").click()
    tab.socket.button("Remove all: brown bread").click()
    tab.sees_cart({"apple": 2})


def test_no_click_is_lost_when_both_sides_change_one_item(tab: Tab) -> None:
    tab.http.add("apple")
    tab.sees_cart({"apple": 1})
    more = [side.button("One more: apple") for side in (tab.http, tab.socket)]
    for _ in range(5):
        for button in more:
            button.click(no_wait_after=True)
    tab.sees_cart({"apple": 11})


def test_a_button_keeps_the_focus_and_enter_submits(tab: Tab) -> None:
    tab.http.root.get_by_label("Item").fill("apple")
    tab.page.keyboard.press("Enter")
    tab.sees_cart({"apple": 1})
    less = tab.socket.button("One less: apple")
    tab.socket.button("One more: apple").press("Enter")
    tab.sees_cart({"apple": 2})
    less.press("Enter")
    tab.sees_cart({"apple": 1})
    expect(less).to_be_focused()
    less.press("Enter")
    tab.sees_cart({})
    expect(tab.socket.root.get_by_label("Item")).to_be_focused()


def test_other_tabs_follow(open_tab: OpenTab) -> None:
    other, one = open_tab(), open_tab()  # the last one is in front, where clicks are quick
    one.socket.log_in("ada")
    other.sees_user("ada")
    one.http.add("apple")
    other.sees_cart({"apple": 1})
    one.http.button("Log out").click()
    other.sees_user("Anonymous")
    expect(other.logged("session.changed").first).to_be_visible()


@pytest.mark.parametrize("side", ["http", "socket"])
def test_the_end_of_a_session_reaches_other_tabs_and_all_begin_one_anew(open_tab: OpenTab, side: str) -> None:
    other, one = open_tab(), open_tab()  # the last one is in front, where clicks are quick
    here: Side = getattr(one, side)
    one.socket.log_in("ada")
    other.sees_user("ada")
    here.button("End session").click()
    expect(other.logged("closed 4401").first).to_be_visible()
    expect(other.page.locator("#notice")).to_contain_text("ended")
    one.sees_user("Anonymous")
    other.sees_user("Anonymous")


def test_ended_over_the_socket_a_session_is_followed_by_one_of_all_tabs(open_tab: OpenTab) -> None:
    other, one = open_tab(), open_tab()  # the last one is in front, where clicks are quick
    one.socket.log_in("ada")
    other.sees_user("ada")
    one.socket.button("End session").click()
    other.sees_user("Anonymous")
    one.sees_user("Anonymous")
    one.socket.log_in("grace")
    one.sees_user("grace")
    other.sees_user("grace")


@pytest.mark.parametrize("over", ["WebSocket", "HTTP POST"])
def test_any_action_can_be_called(tab: Tab, over: str) -> None:
    tab.call("app.echo", '[{"b": [1, "é"]}]', over)
    expect(tab.reply.locator(".reply-title")).to_have_text("Result")
    expect(tab.reply.locator("pre")).to_have_text('{\n  "b": [\n    1,\n    "é"\n  ]\n}')
    expect(tab.reply.locator(".reply-time")).to_have_text(re.compile(r"\d+ ms"))
    tab.call("cart.add", '{"item": "pear", "by": 4}', over)
    tab.sees_cart({"pear": 4})


@pytest.mark.parametrize("over", ["WebSocket", "HTTP POST"])
def test_an_error_is_an_answer(tab: Tab, over: str) -> None:
    for method, params, code in [("no.such", "", -32601), ("app.echo", "[]", -32602), ("orders.place", "", -32001)]:
        tab.call(method, params, over)
        expect(tab.reply.locator(".reply-title")).to_contain_text(f"({code})")
        expect(tab.reply.locator("pre")).to_contain_text(f'"code": {code}')
        expect(tab.logged(method)).to_have_attribute("data-state", "failed")


def test_what_is_no_params_is_not_sent(tab: Tab) -> None:
    problem = tab.page.locator("#params-error")
    for params in ("[1,", "oops", "5", "null", '"text"'):
        tab.call("app.echo", params)
        expect(problem).to_be_visible()
        expect(tab.page.get_by_label("Params")).to_be_focused()
        expect(tab.logged("app.echo")).to_have_count(0)
        tab.page.get_by_label("Params").fill("[1]")
        expect(problem).to_be_hidden()


def test_every_listed_method_exists(tab: Tab) -> None:
    names = [option.get_attribute("value") or "" for option in tab.page.locator("#methods option").all()]
    assert len(names) >= 10
    for name in names:
        tab.call(name, '{"no such": "param"}')
        expect(tab.logged(name).first).to_contain_text(re.compile(r"\((-32602|-32001)\)"))


def test_a_chosen_method_brings_its_params(tab: Tab) -> None:
    tab.page.get_by_label("Method").fill("app.wait")
    expect(tab.page.get_by_label("Params")).to_have_value("[1.5]")
    tab.page.get_by_label("Params").fill("[2]")
    tab.page.get_by_label("Method").fill("cart.add")
    expect(tab.page.get_by_label("Params")).to_have_value("[2]")  # what a visitor wrote stays


def test_the_log_is_bounded_and_can_be_cleared(tab: Tab) -> None:
    tab.http.add("apple")
    tab.sees_cart({"apple": 1})
    for _ in range(30):
        tab.http.button("One more: apple").click(no_wait_after=True)
    tab.sees_cart({"apple": 31})
    expect(tab.page.locator("#log li")).to_have_count(60)
    wait_until(lambda: is_cleared(tab))  # a look that is still under way is logged, too


def is_cleared(tab: Tab) -> bool:
    tab.page.get_by_role("button", name="Clear").click()
    return tab.page.locator("#log li").count() == 0


def test_nothing_typed_becomes_markup(tab: Tab) -> None:
    nasty = "<img src=x onerror=alert(1)>"
    tab.http.log_in(nasty)
    tab.sees_user(nasty)
    tab.socket.add(nasty)
    tab.sees_cart({nasty: 1})
    assert tab.page.locator("img").count() == 0


def test_it_fits_its_window(tab: Tab) -> None:
    tab.socket.log_in("a" * 40)
    tab.sees_user("a" * 40)
    tab.http.add("w" * 40)
    tab.call("app.echo", '["' + "x" * 500 + '"]')
    expect(tab.reply).to_be_visible()
    for width in (320, 360, 600, 832, 1280):
        tab.page.set_viewport_size({"width": width, "height": 800})
        assert tab.page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_texts_stand_out(tab: Tab, scheme: Literal["light", "dark"]) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5 to 1 at least. https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    tab.page.emulate_media(color_scheme=scheme)
    pairs = [(text, ground) for text in ("text", "muted", "accent", "bad") for ground in ("surface", "ground")]
    pairs += [("on-accent", "accent"), ("warn", "warn-soft"), ("surface", "bad"), ("text", "accent-soft")]
    for text, ground in pairs:
        lighter, darker = sorted((luminance(tab, text), luminance(tab, ground)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)


def luminance(tab: Tab, name: str) -> float:
    """The relative luminance of one of the colours of style.css."""
    script = "name => getComputedStyle(document.documentElement).getPropertyValue(name)"
    colour: str = tab.page.evaluate(script, f"--{name}").strip().lstrip("#")
    parts = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_server_that_goes_away_and_comes_back(context: BrowserContext) -> None:
    port = find_free_port()
    with serve(port) as process:
        tab = Tab(context.new_page(), process.url).open()
        tab.http.log_in("ada")
        tab.sees_user("ada")
    banner = tab.page.locator("#banner", has_text="The server does not answer")
    expect(banner).to_be_visible()
    expect(tab.page.locator("#socket")).to_have_text("Reconnecting")
    expect(tab.http.button("Log in")).to_be_disabled()
    with serve(port):
        expect(banner).to_be_hidden(timeout=60_000)  # up to 15 s are between two attempts to reconnect
        tab.sees_user("Anonymous")  # what was in memory is gone
        expect(tab.http.button("Log in")).to_be_enabled()
        tab.page.close()


def test_a_store_that_is_away(context: BrowserContext) -> None:
    nobody = f"mongodb://127.0.0.1:{find_free_port()}/?serverSelectionTimeoutMS=100"
    with serve(find_free_port(), MONGODB_URI=nobody) as process:
        page = context.new_page()
        page.goto(process.url)
        tab = Tab(page, process.url)
        expect(page.locator("#banner", has_text="The session store does not answer")).to_be_visible()
        for side in (tab.http, tab.socket):
            expect(side.root.get_by_label("Name")).to_be_disabled()
        page.close()


def test_sides_that_differ_are_looked_at_again(tab: Tab) -> None:
    answer = tab.page.request.get(f"{tab.url}/who").json() | {"key": "0" * 12}
    tab.page.route("**/who", lambda route: route.fulfill(json=answer))
    tab.socket.add("apple")  # which makes the page look again
    expect(tab.page.locator("#same")).to_have_attribute("data-state", "different")
    tab.page.unroute("**/who")  # now the cookie has come, and nothing else happens
    tab.sees_one_session()
    tab.sees_cart({"apple": 1})


def test_a_tab_whose_cookie_is_another_sessions_joins_that(tab: Tab) -> None:
    tab.socket.add("apple")
    tab.sees_cart({"apple": 1})
    tab.page.context.clear_cookies()
    tab.socket.add("pear")  # which makes the page look again
    tab.sees_cart({})
    tab.sees_one_session()
    tab.http.log_in("ada")
    tab.sees_user("ada")


def test_a_slow_exchange_in_another_tab_closes_no_socket(open_tab: OpenTab) -> None:
    other, one = open_tab(), open_tab()  # the last one is in front, where clicks are quick
    one.socket.add("apple")
    other.sees_cart({"apple": 1})
    other.page.clock.set_fixed_time(time.time())  # a slow machine would make it look for the second time
    held: list[Route] = []
    one.page.route("**/rpc/session", lambda route: held.append(route))  # an own function: Playwright marks it
    one.socket.log_in("ada")
    expect(other.page.locator("#same")).to_have_attribute("data-state", "different")
    held[0].continue_()
    other.sees_user("ada")
    one.sees_user("ada")
    expect(other.logged("closed")).to_have_count(0)
    expect(other.page.locator("#notice")).to_be_hidden()


def test_a_store_that_goes_away_is_told_by_a_banner(tab: Tab) -> None:
    answer = '{"error": {"code": -32010, "message": "Session store unavailable"}}'
    tab.page.route("**/who", lambda route: route.fulfill(status=200, content_type="application/json", body=answer))
    tab.socket.add("apple")  # which makes the page look again
    banner = tab.page.locator("#banner", has_text="The session store does not answer")
    expect(banner).to_be_visible()
    tab.page.unroute("**/who")
    expect(banner).to_be_hidden()
    tab.sees_cart({"apple": 1})
