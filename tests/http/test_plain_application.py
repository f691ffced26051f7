"""In a Tornado application of somebody's own, whose handlers are the only ones that use sessions."""

from __future__ import annotations

import logging

import pytest
import tornado.web
from tornado.routing import HostMatches, PathMatches, Rule

from rpc_sessions import RequestHandler
from tests.apps import ECHO, MakeServer
from tests.http.browser import Browser
from tests.http.test_tornado_app import listening
from tests.logs import Logs
from tests.wire import post_call

STATIC = {"rpc/app.py": ECHO, "static/index.html": "<p>index</p>", "static/a.txt": "a"}


class Count(RequestHandler):
    use = ["session"]

    def get(self) -> None:
        self.req.session["n"] = self.req.session.get("n", 0) + 1  # type: ignore[operator]  # an int
        self.write({"n": self.req.session["n"]})


class Greet(tornado.web.RequestHandler):
    """As anybody's who has never heard of us."""

    def initialize(self, greeting: str = "") -> None:
        self.greeting = greeting

    def get(self, name: str = "") -> None:
        self.write(f"{self.greeting} {name}")


@pytest.mark.gen_test
async def test_in_an_application_of_ones_own_where_no_module_uses_sessions(make_server: MakeServer) -> None:
    ss = make_server(STATIC)
    app = tornado.web.Application([*ss.handlers(), (r"/", Count), (r"/greet/(.*)", Greet, {"greeting": "hi"})])
    async with listening(ss, app) as site:
        browser = Browser(site)
        assert (await browser.get("/greet/ada")).body == b"hi ada"
        assert browser.cookie == ""
        assert [(await browser.get("/")).body for _ in range(2)] == [b'{"n": 1}', b'{"n": 2}']
        assert (await post_call(site, "app.echo", 1))["result"] == 1
        assert (await browser.get("/a.txt")).code == 404, "its files are its own business"
        cookie = browser.cookie
        async with browser.socket() as socket:
            assert await socket.result("app.echo", 1) == 1
        assert browser.cookie == cookie
        stranger = Browser(site)
        async with stranger.socket():
            assert stranger.id, "sessions are in use by now"


@pytest.mark.gen_test
async def test_behind_a_host_of_its_own(make_server: MakeServer) -> None:
    ss = make_server({})
    app = tornado.web.Application()
    app.add_handlers("elsewhere", [(r"/", Greet)])
    app.add_handlers(r"127\.0\.0\.1", [*ss.handlers(), (r"/", Count)])
    nested = tornado.web.Application([Rule(HostMatches("127.0.0.1"), [*ss.handlers(), Rule(PathMatches("/"), Count)])])
    for application in (app, nested):
        async with listening(ss, application) as site:
            assert (await Browser(site).get("/")).body == b'{"n": 1}'


@pytest.mark.gen_test
async def test_without_a_secret_the_first_request_makes_one(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({})
    ss.session.options.secret = None
    async with listening(ss, tornado.web.Application([*ss.handlers(), (r"/", Count)])) as site:
        assert not [record for record in logs.records if record.levelno >= logging.WARNING]
        browser = Browser(site)
        assert [(await browser.get("/")).body for _ in range(2)] == [b'{"n": 1}', b'{"n": 2}']
    assert len(logs.take("no ss.session.options.secret")) == 1
