"""Routes and the session: when the store is asked, when a cookie is sent, and which pages may write."""

from __future__ import annotations

from typing import Any

import pytest

from rpc_sessions import HTTPRequest, HTTPResponse, Server
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.stores.doubles import WatchedStore


def shop(make_server: MakeServer, store: WatchedStore, **options: object) -> Server:
    ss = make_server({}, **options)
    ss.session.store.use(store)
    route = ss.http.route

    @route("/about", use=[])
    async def about(req: HTTPRequest, res: HTTPResponse) -> Any:
        return "about"

    @route("/cart")
    async def cart(req: HTTPRequest, res: HTTPResponse) -> Any:
        return req.session.get("cart", [])

    @route("/add")
    async def add(req: HTTPRequest, res: HTTPResponse) -> Any:
        req.session["cart"] = [*req.session.get("cart", []), req.params["item"]]  # type: ignore[call-overload,misc]  # lists
        res.redirect("/cart")

    @route("/same")
    async def same(req: HTTPRequest, res: HTTPResponse) -> Any:
        cart = req.session["cart"]
        req.session["cart"] = []
        req.session["cart"] = cart

    @route("/nested")
    async def nested(req: HTTPRequest, res: HTTPResponse) -> Any:
        req.session["cart"].append("nested")  # type: ignore[union-attr]  # a list

    @route("/careless", use=[])
    async def careless(req: HTTPRequest, res: HTTPResponse) -> Any:
        return dict(req.session)

    return ss


@pytest.mark.gen_test
async def test_the_store_is_asked_for_what_is_needed_and_no_more(make_server: MakeServer) -> None:
    store = WatchedStore()
    async with serving(shop(make_server, store)) as site:
        browser = Browser(site)

        async def calls(path: str, method: str = "GET") -> tuple[list[str], int]:
            store.forget()
            response = await browser.fetch(path, method)
            assert response.code in (200, 204, 303), response.code
            return store.calls, len(set_cookies(response))

        assert await calls("/about") == ([], 0)
        assert await calls("/cart") == ([], 0)
        assert await calls("/add?item=tea") == (["insert"], 1)
        assert await calls("/about") == ([], 0)
        assert await calls("/cart") == (["load"], 0)
        assert await calls("/cart", "HEAD") == (["load"], 0)
        assert await calls("/same") == (["load"], 0)
        assert await calls("/nested") == (["load", "replace"], 1)
        assert (await browser.get("/cart")).body == b'["tea","nested"]'


@pytest.mark.gen_test
async def test_the_target_of_a_redirect_sees_the_data(make_server: MakeServer) -> None:
    store = WatchedStore()
    async with serving(shop(make_server, store)) as site:
        browser = Browser(site)
        store.slow = {"insert": 0.1, "replace": 0.1}
        for expected in (b'["tea"]', b'["tea","tea"]'):
            response = await browser.get("/add?item=tea")
            assert response.code == 303
            assert (await browser.get(response.headers["Location"])).body == expected


@pytest.mark.gen_test
async def test_a_route_that_forgot_its_use_says_so_in_the_log(make_server: MakeServer, logs: Any) -> None:
    async with serving(shop(make_server, WatchedStore())) as site:
        response = await Browser(site).get("/careless")
        assert response.code == 500
        assert b"session" not in response.body
    logs.take(r'req.session needs req.use\("session"\)|500 GET')


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"Origin": "SELF"}, 303),
        ({"Origin": "https://app.example"}, 303),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
    ],
)
@pytest.mark.gen_test
async def test_a_form_of_another_site_changes_nothing(
    headers: dict[str, str], status: int, make_server: MakeServer
) -> None:
    store = WatchedStore()
    async with serving(shop(make_server, store, origins=["https://app.example"])) as site:
        headers = {name: value.replace("SELF", site.url) for name, value in headers.items()}
        form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
        response = await Browser(site).fetch("/add", "POST", "item=tea", headers=form)
        assert response.code == status
        assert store.calls == ([] if status == 403 else ["insert"])
