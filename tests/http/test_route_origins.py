"""Which pages may write through routes and handlers: the same that may speak to /rpc, wherever they are served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import tornado.web

from rpc_sessions import RequestHandler, Server
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.http.test_tornado_app import listening
from tests.wire import JSON_TYPE, request

LISTED = "https://app.example"
CALL = {"rpc/app.py": "def actions(req, res, ss):\n    async def one(): return 1\n    return [one]"}


class Account(RequestHandler):
    use = ["session"]

    def post(self) -> None:
        self.write("changed")


@asynccontextmanager
async def sites(make_server: MakeServer) -> AsyncIterator[list[Site]]:
    """By ``ss.start``, and in an application of one's own that has Tornado's protection."""
    servers = [server(make_server) for _ in range(2)]
    servers[0].http.mount("/account", Account)
    rules: list[Any] = [*servers[1].handlers(), ("/account", Account)]
    app = tornado.web.Application(rules, cross_origin_protection=True)
    async with serving(servers[0]) as ours, listening(servers[1], app) as own:
        yield [ours, own]


def server(make_server: MakeServer) -> Server:
    ss = make_server(CALL, origins=[LISTED], trusted_proxies=["127.0.0.1"])

    @ss.http.route("/route")
    async def route(req: object, res: object) -> str:
        return "changed"

    return ss


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": LISTED}, True),
        ({"Origin": "HTTPS://APP.EXAMPLE:443"}, True),
        ({"Origin": LISTED, "Sec-Fetch-Site": "cross-site"}, True),
        ({"Origin": "http://x", "Host": "x:80"}, True),
        ({"Origin": "http://x:80", "Host": "x"}, True),
        ({"Origin": "https://x", "Host": "x:443", "X-Forwarded-Proto": "https"}, True),
        ({"Origin": "https://x", "Host": "x:80"}, False),
        ({"Origin": "http://x", "Host": "x", "X-Forwarded-Proto": "https"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "https://app.example.evil"}, False),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ""}, False),
    ],
)
@pytest.mark.gen_test
async def test_a_page_that_may_call_may_post(make_server: MakeServer, headers: dict[str, str], allowed: bool) -> None:
    async with sites(make_server) as both:
        for site in both:
            for path in ("/rpc", "/route", "/account"):
                body = request("app.one") if path == "/rpc" else "{}"
                response = await Browser(site).fetch(path, "POST", body, headers={**JSON_TYPE, **headers})
                assert response.code == (200 if allowed else 403), path


@pytest.mark.parametrize(("fetched_from", "status"), [("same-origin", 200), ("none", 200), ("cross-site", 403)])
@pytest.mark.gen_test
async def test_a_browser_that_hides_the_origin_is_believed_what_it_says_of_the_site(
    make_server: MakeServer, fetched_from: str, status: int
) -> None:
    async with sites(make_server) as both:
        for site in both:
            for path in ("/route", "/account"):
                response = await Browser(site).fetch(path, "POST", "", headers={"Sec-Fetch-Site": fetched_from})
                assert response.code == status
