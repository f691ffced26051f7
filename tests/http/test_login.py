"""Log in on one side and be logged in on the other: HTTP, WebSocket, and what lies between, a ticket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from rpc_sessions import Session
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.session.steps import over_http, over_post, over_socket, put, session_server
from tests.stores.doubles import WatchedStore


def log_in(name: str | None) -> Any:
    return lambda session: session.set_user_id(name)


def who(session: Session) -> str | None:
    return session.user_id


@pytest.mark.parametrize("over", [over_http, over_post], ids=["a route", "POST"])
@pytest.mark.gen_test
async def test_logged_in_over_http_every_open_socket_is_at_once(make_server: MakeServer, over: Any) -> None:
    async with serving(session_server(make_server)) as site:
        browser, stranger = Browser(site), Browser(site)
        async with browser.socket() as one, browser.socket() as two, stranger.socket() as other:
            for name in ("ada", "eve", None, "ada"):
                await over(browser, log_in(name))
                for socket in (one, two):
                    assert await over_socket(socket, site.ss, who) == name
                assert await over_socket(other, site.ss, who) is None
                async with browser.socket() as later:
                    assert await over_socket(later, site.ss, who) == name
            assert one.events == two.events == [], "the reply has set the cookie: there is nothing to tell"


@pytest.mark.parametrize("visited", [True, False], ids=["known before", "first visit"])
@pytest.mark.gen_test
async def test_logged_in_over_a_websocket_the_ticket_brings_the_cookie(make_server: MakeServer, visited: bool) -> None:
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        if visited:
            await over_http(browser, put(cart=[1]))
        async with browser.socket() as one, browser.socket() as two:
            planted = Browser(site, browser.cookie)
            await over_socket(one, site.ss, log_in("ada"))
            assert await over_socket(two, site.ss, who) == "ada"
            await browser.take_ticket(one)
            assert browser.id != planted.id
            assert await over_http(browser, who) == await over_post(browser, who) == "ada"
            assert await over_http(browser, dict) == ({"cart": [1]} if visited else {})
            assert await over_http(planted, who) is None, "the id from before the log-in still works"
        async with browser.socket() as again, planted.socket() as thief:
            assert await over_socket(again, site.ss, who) == "ada"
            assert await over_socket(thief, site.ss, who) is None


@pytest.mark.gen_test
async def test_logged_out_on_one_side_is_logged_out_on_the_other(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, log_in("ada"))
        logged_in = Browser(site, browser.cookie)
        async with browser.socket() as one, browser.socket() as two:
            await over_socket(one, site.ss, log_in(None))
            await browser.take_ticket(one)
            assert await over_socket(two, site.ss, who) is None
            assert await over_http(browser, who) is None
            assert await over_http(logged_in, who) is None, "the id from before the log-out is still logged in"


@pytest.mark.gen_test
async def test_tickets_of_several_rotations_lead_to_the_last_id(make_server: MakeServer) -> None:
    """A client that was asleep redeems them late, one after the other, or the last one only."""
    async with serving(session_server(make_server)) as site:
        for skip in (0, 1, 2):
            browser = Browser(site)
            await over_http(browser, put(cart=[1]))
            async with browser.socket() as socket:
                for name in ("ada", None, "eve"):
                    await over_socket(socket, site.ss, log_in(name))
                tickets = [dict((await socket.event())[1])["ticket"] for _ in range(3)]
                for ticket in tickets[skip:]:
                    assert await browser.redeem(ticket) == 204
                assert await over_http(browser, who) == "eve"


@pytest.mark.gen_test
async def test_rotations_over_http_and_websocket_in_turn(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            for name in ("a", "b", "c"):
                await over_socket(socket, site.ss, log_in(name))
                await browser.take_ticket(socket)
                assert await over_http(browser, who) == name
                await over_http(browser, log_in(name * 2))
                assert await over_socket(socket, site.ss, who) == name * 2
                async with browser.socket() as other:
                    assert await over_socket(other, site.ss, who) == name * 2


@pytest.mark.gen_test
async def test_a_session_first_written_over_a_socket_is_the_browsers(make_server: MakeServer) -> None:
    """Its id came with the 101: no ticket is needed."""
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            given = browser.id
            await over_socket(socket, site.ss, put(a=1))
            assert await over_http(browser, dict) == {"a": 1}
            await over_http(browser, put(b=2))
            assert browser.id == given
            assert await over_socket(socket, site.ss, dict) == {"a": 1, "b": 2}
            assert socket.events == []


@pytest.mark.gen_test
async def test_a_new_browser_rotates_over_http_while_its_socket_is_open(make_server: MakeServer) -> None:
    """Nothing is stored yet; both must speak for the new id all the same."""
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            await over_http(browser, lambda session: session.regenerate())
            await over_socket(socket, site.ss, put(a=1))
            assert await over_http(browser, dict) == {"a": 1}


@pytest.mark.gen_test
async def test_parallel_first_requests_of_one_browser_share_the_sockets_session(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        async with browser.socket() as socket:
            await asyncio.gather(
                over_http(browser, put(a=1)), over_post(browser, put(b=1)), over_socket(socket, site.ss, put(c=1)),
                over_http(browser, put(d=1)),
            )  # fmt: skip
            assert await over_socket(socket, site.ss, dict) == {"a": 1, "b": 1, "c": 1, "d": 1}
            assert await over_http(browser, dict) == {"a": 1, "b": 1, "c": 1, "d": 1}


@pytest.mark.gen_test
async def test_a_page_of_another_origin_reads_no_session(make_server: MakeServer) -> None:
    """403 before any store is asked, with the victim's cookie in the request."""
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, log_in("ada"))
        store.forget()
        for origin in ("null", "http://evil.example", f"http://127.0.0.1:{site.port}.evil.example", "http://127.0.0.1"):
            with pytest.raises(InvalidStatus) as caught:
                async with browser.socket(origin=origin):
                    pass
            assert caught.value.response.status_code == 403
            for path in ("/rpc", "/rpc/session", "/do?step=none"):
                response = await browser.post_json(path, {"jsonrpc": "2.0"}, Origin=origin)
                assert response.code == 403, path
        assert store.calls == []
