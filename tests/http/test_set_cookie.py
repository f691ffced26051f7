"""The Set-Cookie header: its attributes, its name, its secrets."""

from __future__ import annotations

from typing import Any

import pytest

from rpc_sessions import HTTPRequest, HTTPResponse, Server
from rpc_sessions.session.cookie import read
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.wire import connect

OLD, NEW, OTHER = "the old secret of all", "the new secret of all", "somebody else's secret"


def visits(make_server: MakeServer, **options: object) -> Server:
    """A server with a route that writes the session, and options of the cookie set."""
    ss = make_server({}, **options)

    @ss.http.route("/")
    async def visit(req: HTTPRequest, res: HTTPResponse) -> Any:
        req.session["n"] = req.session.get("n", 0) + 1  # type: ignore[operator]  # an int
        return {"n": req.session["n"]}

    return ss


async def cookie_of(ss: Server, **headers: str) -> str:
    async with serving(ss) as site:
        (cookie,) = set_cookies(await Browser(site).get("/", headers=headers))
    return cookie.partition("; ")[2]


@pytest.mark.gen_test
async def test_the_attributes_by_default(make_server: MakeServer) -> None:
    async with serving(visits(make_server)) as site:
        browser = Browser(site)
        response = await browser.get("/")
        (cookie,) = set_cookies(response)
        assert cookie == f"{browser.cookie}; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax"
        assert response.headers["Cache-Control"] == "no-store"
        async with connect(site) as socket:
            assert socket.connection.response is not None
            _, _, attributes = socket.connection.response.headers["Set-Cookie"].partition("; ")
            assert attributes == "Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax"


PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}


@pytest.mark.parametrize(
    ("secure", "proxies", "headers", "sent"),
    [
        ("auto", [], {}, False),
        ("auto", [], PROXY, False),
        ("auto", ["127.0.0.1"], PROXY, True),
        ("auto", ["127.0.0.0/8"], PROXY, True),
        ("auto", ["10.0.0.0/8"], PROXY, False),
        ("auto", ["127.0.0.1"], {"X-Forwarded-Proto": "http"}, False),
        ("auto", ["127.0.0.1"], {"X-Forwarded-Proto": "https,http"}, False),
        ("auto", ["127.0.0.1"], {"X-Forwarded-Proto": "javascript"}, False),
        (True, [], {}, True),
        (False, ["127.0.0.1"], PROXY, False),
    ],
)
@pytest.mark.gen_test
async def test_secure(
    make_server: MakeServer, secure: Any, proxies: list[str], headers: dict[str, str], sent: bool
) -> None:
    ss = visits(make_server, trusted_proxies=proxies)
    ss.session.options.cookie.secure = secure
    async with serving(ss) as site:
        (cookie,) = set_cookies(await Browser(site).get("/", headers=headers))
        async with connect(site, headers=headers) as socket:
            assert socket.connection.response is not None
            over_101 = socket.connection.response.headers["Set-Cookie"]
    assert ("Secure" in cookie.split("; ")) == ("Secure" in over_101.split("; ")) == sent


@pytest.mark.gen_test
async def test_the_attributes_as_set(make_server: MakeServer) -> None:
    ss = visits(make_server)
    ss.session.options.max_age = 90
    cookie = ss.session.options.cookie
    cookie.path, cookie.domain, cookie.http_only, cookie.same_site = "/app", "example.com", False, "Strict"
    assert await cookie_of(ss) == "Max-Age=90; Path=/app; Domain=example.com; SameSite=Strict"


@pytest.mark.gen_test
async def test_the_name_as_set(make_server: MakeServer) -> None:
    ss = visits(make_server)
    ss.session.options.key = "app_id"
    async with serving(ss) as site:
        (cookie,) = set_cookies(await Browser(site).get("/"))
        assert cookie.startswith("app_id=s%3A")
        again = await Browser(site).get("/", headers={"Cookie": cookie.split(";")[0]})
        assert again.body == b'{"n":2}'


@pytest.mark.gen_test
async def test_a_new_secret_signs_and_the_old_one_is_accepted_still(make_server: MakeServer) -> None:
    old, new, later = visits(make_server), visits(make_server), visits(make_server)
    store = old.session.store.current
    for ss, secret in ((old, OLD), (new, [NEW, OLD]), (later, NEW)):
        ss.session.options.secret = secret
        ss.session.store.use(store)
    async with serving(old) as site:
        browser = Browser(site)
        await browser.get("/")
        first = browser.cookie
        assert read(first, "connect.sid", [OLD])
        records = dict(store._records)  # type: ignore[attr-defined]  # the server empties it when it stops
    store._records = records  # type: ignore[attr-defined]  # as above
    async with serving(new) as site:
        browser = Browser(site, first)
        assert (await browser.get("/")).body == b'{"n":2}'
        assert read(browser.cookie, "connect.sid", [NEW]), "signed with the new one from now on"
        records = dict(store._records)  # type: ignore[attr-defined]  # as above
    store._records = records  # type: ignore[attr-defined]  # as above
    async with serving(later) as site:
        assert (await Browser(site, browser.cookie).get("/")).body == b'{"n":3}'
        assert (await Browser(site, first).get("/")).body == b'{"n":1}'
