"""Cookies that an attacker brings: the answer is a new id, never the one that was brought, and no store is asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rpc_sessions import RPCError
from rpc_sessions.session import moved
from rpc_sessions.session.cookie import sign
from tests.apps import SECRET, MakeServer, Site, serving
from tests.http.browser import Browser
from tests.session.steps import over_http, over_post, over_socket, put, session_server
from tests.stores.doubles import WatchedStore, session_at
from tests.waiting import until

UNKNOWN = "U" * 43
MALFORMED = {
    "empty": "connect.sid=",
    "unsigned": f"connect.sid={UNKNOWN}",
    "unsigned with its prefix": f"connect.sid=s%3A{UNKNOWN}",
    "signed by somebody else": f"connect.sid={sign(UNKNOWN, 'not the secret of here')}",
    "tampered": "connect.sid=" + sign(UNKNOWN, SECRET).replace("U", "V", 1),
    "half": "connect.sid=" + sign(UNKNOWN, SECRET)[:60],
    "a short id": f"connect.sid={sign('abc', SECRET)}",
    "a path": f"connect.sid={sign('../../../../etc/passwd', SECRET)}",
    "a quoted NUL": f"connect.sid={sign(UNKNOWN + chr(0), SECRET)}",
    "an operator": "connect.sid=" + sign('{"$ne":null,"a":"' + UNKNOWN, SECRET),
    "40 KB": "connect.sid=s%3A" + "A" * 40_000,
    "JSON": 'connect.sid=j:{"a":1}',
    "bytes": "connect.sid=s%3A%ff%fe%00." + "A" * 43,
    "many": "; ".join(["connect.sid=s%3A" + "A" * 32 + ".B"] * 500),
}


async def every_way(site: Site, cookie: str) -> list[str]:
    """The ids that browsers with this cookie get, over each transport, when they write."""
    ids = []
    for over in (over_http, over_post):
        browser = Browser(site, cookie)
        await over(browser, put(mine=1))
        assert await over(browser, dict) == {"mine": 1}
        ids.append(browser.id or "")
    browser = Browser(site, cookie)
    async with browser.socket() as socket:
        await over_socket(socket, site.ss, put(mine=1))
        assert await over_socket(socket, site.ss, dict) == {"mine": 1}
        assert await over_http(browser, dict) == {"mine": 1}, "the 101 did not set the cookie"
        ids.append(browser.id or "")
    return ids


@pytest.mark.parametrize("cookie", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.gen_test
async def test_a_malformed_cookie_asks_no_store_and_gets_a_new_id(make_server: MakeServer, cookie: str) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        for over in (over_http, over_post):
            assert await over(Browser(site, cookie), dict) == {}
        async with Browser(site, cookie).socket() as socket:
            assert await over_socket(socket, site.ss, dict) == {}
        assert store.calls == []
        ids = await every_way(site, cookie)
        assert len(set(ids)) == 3
        assert UNKNOWN not in ids


async def gone(site: Site, end: Any) -> str:
    """A cookie of a session that was, and is no more."""
    browser = Browser(site)
    await over_http(browser, put(secret=1))
    cookie = browser.cookie
    await over_http(browser, end)
    return cookie


ENDS = {
    "destroyed": lambda session: session.destroy(),
    "expired": lambda session: session.store.touch(session.claim.key, 1.0),
    "rotated away": lambda session: session.regenerate(),
    "logged in": lambda session: session.set_user_id("ada"),
    "deleted by an administrator": lambda session: session.store.delete(session.claim.key),
}


@pytest.mark.parametrize("end", ["unknown", *ENDS])
@pytest.mark.gen_test
async def test_a_signed_cookie_of_no_session_gets_a_new_id(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(moved, "HTTP_GRACE", 0.0)  # it is some seconds later
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        cookie = f"connect.sid={sign(UNKNOWN, SECRET)}" if end == "unknown" else await gone(site, ENDS[end])
        brought = Browser(site, cookie).id
        assert brought
        ids = await every_way(site, cookie)
        assert len(set(ids)) == 3
        assert brought not in ids
        assert await session_at(store.inner, site.ss.session.key_for(brought)) is None


@pytest.mark.gen_test
async def test_a_cookie_from_a_handshake_that_stored_nothing_dies_with_its_socket(make_server: MakeServer) -> None:
    """While the socket is open the id is kept for this browser; afterwards nobody may plant it."""
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        async with browser.socket():
            planted = browser.id
            await over_http(browser, put(a=1))
            assert browser.id == planted
        other = Browser(site)
        async with other.socket():
            planted, victim = other.id, Browser(site, other.cookie)
        await until(lambda: not site.ss._connections)
        await over_http(victim, put(a=1))
        assert victim.id != planted


@pytest.mark.gen_test
async def test_a_cookie_of_a_megabyte_and_one_with_a_nul_reach_nobody(make_server: MakeServer) -> None:
    """Tornado refuses such headers; the server goes on."""

    async def raw(cookie: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write(b"GET /do?step=none HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: connect.sid=" + cookie + b"\r\n\r\n")
        try:
            await writer.drain()
            status = await asyncio.wait_for(reader.read(), 30)
        except ConnectionError:
            status = b""
        writer.close()
        return status

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        site.ss.api.steps["none"] = put(a=1)
        for cookie in (b"A" * 1_000_000, b"s%3A" + b"A" * 43 + b"\x00.x", b"a\x00b"):
            answer = await raw(cookie)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:100]
        assert store.calls == []
        assert await over_http(Browser(site), dict) == {}


@pytest.mark.gen_test
async def test_of_several_cookies_of_the_name_a_planted_one_does_not_win(make_server: MakeServer) -> None:
    """A sibling domain can set a cookie of the same name; it cannot sign it."""
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        for header in (f"connect.sid=s%3Aplanted.x; {browser.cookie}", f"{browser.cookie}; connect.sid=planted"):
            assert await over_http(Browser(site, header), dict) == {"a": 1}


@pytest.mark.gen_test
async def test_a_request_beside_a_log_in_does_not_undo_it(make_server: MakeServer) -> None:
    """It was sent with the old cookie, and would bring the browser a third one."""
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, put(cart=[1]))
        beside, old = Browser(site, browser.cookie), browser.cookie
        await over_http(browser, lambda session: session.set_user_id("ada"))
        assert await over_http(beside, dict) == {}
        with pytest.raises(RPCError, match="moved to a new id"):
            await over_http(beside, put(seen=1))
        assert beside.cookie == old, "the reply brought a cookie"
        assert await over_http(browser, dict) == {"cart": [1]}
