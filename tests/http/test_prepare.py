"""A prepare() that answers ends the request, and what cannot be sent is a 500: neither runs on, neither hangs."""

from __future__ import annotations

import pytest
import tornado.web
from tornado.httpserver import HTTPServer
from tornado.simple_httpclient import HTTPStreamClosedError

from rpc_sessions import RequestHandler
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.processes import find_free_port


class Guarded(RequestHandler):
    use = ("session",)

    async def prepare(self) -> None:
        await super().prepare()
        if self.req.session.user_id is None:
            self.redirect("/login") if self.request.path == "/away" else self.send_error(403)

    def get(self) -> None:
        raise AssertionError("the handler ran for an anonymous visitor")


@pytest.mark.gen_test
@pytest.mark.parametrize(("path", "code"), [("/away", 302), ("/forbidden", 403)])
async def test_a_prepare_that_answers_ends_the_request(make_server: MakeServer, path: str, code: int) -> None:
    ss = make_server({})
    ss.http.mount(r"/(?:away|forbidden)", Guarded)
    async with serving(ss) as site:
        assert (await Browser(site).get(path)).code == code


class Unsendable(RequestHandler):
    use = ("session",)

    def get(self, what: str) -> None:
        if what == "body":
            self.set_status(204)
            self.write("a body where there is none")
        else:
            self.set_header("Bad\r\nName", "x")


@pytest.mark.gen_test
async def test_a_body_that_cannot_be_sent_is_a_500(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({})
    ss.http.mount(r"/(body|header)", Unsendable)
    async with serving(ss) as site:
        assert (await Browser(site).get("/body")).code == 500
    logs.take("Uncaught exception")
    logs.take("500 GET")


@pytest.mark.gen_test
async def test_a_header_that_cannot_be_sent_closes_the_connection(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({})
    ss.http.mount(r"/(body|header)", Unsendable)
    async with serving(ss) as site:
        with pytest.raises(HTTPStreamClosedError):
            await Browser(site).get("/header")
    logs.take("Uncaught exception")


@pytest.mark.gen_test
async def test_another_origin_cannot_post_in_an_application_of_ones_own(make_server: MakeServer) -> None:
    ss = make_server({})

    @ss.http.route("/pay")
    async def pay(req: object, res: object) -> str:
        return "paid"

    server = HTTPServer(tornado.web.Application([*ss.handlers()]))  # without Tornado's cross_origin_protection
    port = find_free_port()
    server.listen(port, "127.0.0.1")
    browser, evil = Browser(Site(ss, port)), {"Origin": "https://evil.example"}
    assert (await browser.fetch("/pay", "POST", "", headers=evil)).code == 403
    assert (await browser.fetch("/pay", "POST", "", headers={"Origin": browser.site.url})).code == 200
    assert (await browser.fetch("/pay", headers=evil)).code == 200, "a GET may be a link"
    server.stop()
    await ss.stop(drain=0)


@pytest.mark.gen_test
async def test_a_server_that_was_stopped_serves_again(make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": "def actions(req, res, ss):\n    async def one(): return 1\n    return [one]"})
    async with serving(ss) as site:
        assert await Browser(site).rpc("app.one") == 1
    async with serving(ss) as site:
        assert await Browser(site).rpc("app.one") == 1
