"""One-time tickets: an id that was rotated over a WebSocket reaches the browser's cookie, and nobody else's."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from rpc_sessions import Session
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.session.steps import over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore
from tests.wire import JSON_TYPE

NOBODY: tuple[str | None, dict[str, Any]] = (None, {})
ADA: tuple[str | None, dict[str, Any]] = ("ada", {"cart": ["tea"]})


async def log_in(session: Session) -> None:
    await session.set_user_id("ada")


def look(session: Session) -> tuple[str | None, dict[str, Any]]:
    return session.user_id, dict(session)


async def with_cart(site: Site) -> Browser:
    browser = Browser(site)
    await over_http(browser, put(cart=["tea"]))
    return browser


async def look_by_new_socket(browser: Browser) -> Any:
    async with Browser(browser.site, browser.cookie).socket() as socket:
        return await over_socket(socket, browser.site.ss, look)


async def ticket_of_a_log_in(browser: Browser) -> str:
    """Log in over a WebSocket, which closes then. The ticket that came."""
    async with browser.socket() as socket:
        await over_socket(socket, browser.site.ss, log_in)
        (event,) = socket.events
    return str(event["params"]["ticket"])


async def redeem(browser: Browser, ticket: object, **headers: str) -> HTTPResponse:
    return await browser.post_json("/rpc/session", {"ticket": ticket}, **headers)


@pytest.mark.gen_test
async def test_a_log_in_over_a_socket_reaches_the_browser(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser = await with_cart(site)
        old = browser.cookie
        async with browser.socket() as socket, browser.socket() as tab:
            await over_socket(socket, site.ss, log_in)
            ((name, params),) = [(event["method"], event["params"]) for event in socket.events]
            assert (name, list(params)) == ("rpc.session", ["ticket"]), "the ticket comes before the reply"
            response = await redeem(browser, params["ticket"])
            assert (response.code, response.body, len(set_cookies(response))) == (204, b"", 1)
            assert set_cookies(response)[0].endswith("; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax")
            assert response.headers["Cache-Control"] == "no-store"
            assert browser.cookie != old
            for open_socket in (socket, tab):
                assert await over_socket(open_socket, site.ss, look) == ADA
            assert tab.events == [], "one ticket is enough for a browser"
        assert await look_by_new_socket(browser) == ADA
        assert await over_http(browser, look) == ADA
        thief = Browser(site, old)
        assert await look_by_new_socket(thief) == NOBODY
        assert await over_http(thief, look) == NOBODY


@pytest.mark.gen_test
async def test_a_ticket_is_good_once(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser = await with_cart(site)
        old = browser.cookie
        ticket = await ticket_of_a_log_in(browser)
        tries = [Browser(site, old) for _ in range(10)]
        codes = [response.code for response in await asyncio.gather(*(redeem(one, ticket) for one in tries))]
        assert sorted(codes) == [204] + [403] * 9
        (winner,) = [one for one in tries if one.cookie != old]
        assert (await redeem(winner, ticket)).code == 403
        assert await over_http(winner, look) == ADA


@pytest.mark.gen_test
async def test_a_ticket_that_is_late(make_server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpc_sessions.session.ticket.LIFETIME", 0.05)
    async with serving(session_server(make_server)) as site:
        browser = await with_cart(site)
        ticket = await ticket_of_a_log_in(browser)
        await asyncio.sleep(0.1)
        response = await redeem(browser, ticket)
        assert (response.code, set_cookies(response)) == (403, [])


@pytest.mark.gen_test
async def test_a_ticket_in_the_wrong_hands_is_refused_and_stays_good(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser, eve = await with_cart(site), await with_cart(site)
        ticket = await ticket_of_a_log_in(browser)
        tampered = Browser(site, browser.cookie[:-4] + "AAAA")
        for other in (eve, Browser(site), tampered):
            response = await redeem(other, ticket)
            assert (response.code, set_cookies(response)) == (403, [])
            assert b"ada" not in response.body
        for origin in ("https://evil.example", "null"):
            response = await redeem(Browser(site, browser.cookie), ticket, Origin=origin)
            assert (response.code, set_cookies(response)) == (403, [])
        for method in ("GET", "PUT", "HEAD"):
            assert (await browser.fetch(f"/rpc/session?ticket={ticket}", method)).code == 405
        body = json.dumps({"ticket": ticket})
        for type in ("text/plain", "application/x-www-form-urlencoded", ""):
            response = await browser.fetch("/rpc/session", "POST", body, headers={"Content-Type": type})
            assert (response.code, set_cookies(response)) == (415, [])
        assert (await redeem(browser, ticket, Origin=site.url)).code == 204
        assert await over_http(browser, look) == ADA


MALFORMED = ["", "x", "A" * 42, "A" * 43, "A" * 44, "é" * 43, "A" * 10_000, "../" * 14 + "A", "A" * 42 + "\0", "=" * 43]


@pytest.mark.parametrize("ticket", MALFORMED)
@pytest.mark.gen_test
async def test_a_ticket_that_nobody_made(ticket: str, make_server: MakeServer) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = await with_cart(site)
        store.forget()
        response = await redeem(browser, ticket)
        assert (response.code, set_cookies(response)) == (403, [])
        assert store.writes == []
        assert len(store.calls) <= 1


@pytest.mark.parametrize(
    "body", ["", "{", b"\xff", "[" * 100 + "]" * 100, "{}", "[]", "null", '"x"', '{"ticket":5}', '{"ticket":["x"]}']
)
@pytest.mark.gen_test
async def test_a_body_that_holds_no_ticket_is_400(body: str | bytes, make_server: MakeServer) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        response = await Browser(site).fetch("/rpc/session", "POST", body, headers=JSON_TYPE)
        assert (response.code, set_cookies(response), store.calls) == (400, [], [])


@pytest.mark.gen_test
async def test_a_store_that_is_away_spends_no_ticket(make_server: MakeServer, logs: Logs) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = await with_cart(site)
        ticket = await ticket_of_a_log_in(browser)
        store.down = True
        response = await redeem(browser, ticket)
        assert (response.code, set_cookies(response)) == (503, [])
        store.down = False
        assert (await redeem(browser, ticket)).code == 204
        assert await over_http(browser, look) == ADA
    logs.take("503 POST")


@pytest.mark.parametrize(("order", "codes"), [((0, 1), [204, 204]), ((1,), [204]), ((1, 0), [204, 403])])
@pytest.mark.gen_test
async def test_the_tickets_of_two_rotations(order: tuple[int, ...], codes: list[int], make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser = await with_cart(site)
        async with browser.socket() as socket:
            await over_socket(socket, site.ss, lambda session: session.regenerate())
            await over_socket(socket, site.ss, log_in)
            tickets = [event["params"]["ticket"] for event in socket.events]
        assert [(await redeem(browser, tickets[number])).code for number in order] == codes
        assert await over_http(browser, look) == ADA


@pytest.mark.gen_test
async def test_a_listed_origin_may_redeem(make_server: MakeServer) -> None:
    ss, origin = session_server(make_server), "https://app.example"
    ss.options.origins = [origin]
    async with serving(ss) as site:
        browser = await with_cart(site)
        ticket = await ticket_of_a_log_in(browser)
        preflight = await browser.fetch("/rpc/session", "OPTIONS", headers={"Origin": origin})
        assert (preflight.code, preflight.headers["Access-Control-Allow-Methods"]) == (204, "POST")
        for bad, status in (("A" * 43, 403), (5, 400), (ticket, 204)):
            response = await redeem(browser, bad, Origin=origin)
            assert response.code == status
            assert response.headers.get("Access-Control-Allow-Origin") == origin, "the page may see what went wrong"
            assert response.headers.get("Access-Control-Allow-Credentials") == "true"
            assert response.headers.get("Vary") == "Origin"


@pytest.mark.gen_test
async def test_a_server_without_sessions_needs_no_secret_to_refuse(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RPC_SESSIONS_ENV", "production")
    ss = make_server({})
    ss.session.options.secret = None
    async with serving(ss) as site:
        assert (await redeem(Browser(site, "connect.sid=x"), "A" * 43)).code == 403
