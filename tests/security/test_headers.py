"""What the headers of replies say to browsers and to caches, and what errors say to anybody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tornado.httpclient import HTTPResponse as Reply

from rpc_sessions import HTTPRequest, HTTPResponse, RPCError, Server
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.security.people import log_in
from tests.session.steps import Registered, over_socket, put, session_server
from tests.wire import JSON_TYPE, connect, request


def with_routes(ss: Server) -> Server:
    """With a route for each way to end a request in which the session was written."""

    async def write(req: HTTPRequest) -> None:
        req.session["a"] = 1
        await req.session.save()

    @ss.http.route("/answer")
    async def answer(req: HTTPRequest, res: HTTPResponse) -> str:
        await write(req)
        return "done"

    @ss.http.route("/cached")
    async def cached(req: HTTPRequest, res: HTTPResponse) -> str:
        await write(req)
        res.header("Cache-Control", "public, max-age=3600")
        return "done"

    @ss.http.route("/redirect")
    async def redirect(req: HTTPRequest, res: HTTPResponse) -> None:
        await write(req)
        res.redirect("/")

    @ss.http.route("/refuse")
    async def refuse(req: HTTPRequest, res: HTTPResponse) -> None:
        await write(req)
        raise RPCError(-32001, "no")

    @ss.http.route("/fail")
    async def fail(req: HTTPRequest, res: HTTPResponse) -> None:
        await write(req)
        raise RuntimeError("the password is 12345")

    @ss.http.route("/destroy")
    async def destroy(req: HTTPRequest, res: HTTPResponse) -> None:
        await write(req)
        await req.session.destroy()

    return ss


STATUS = {"/answer": 200, "/cached": 200, "/redirect": 303, "/refuse": 401, "/fail": 500}


@pytest.mark.gen_test
async def test_a_reply_that_sets_the_cookie_is_not_to_be_stored(make_server: MakeServer, logs: Logs) -> None:
    """Whatever ends the request, and whatever the route said of caches."""
    ss = with_routes(session_server(make_server))
    async with serving(ss) as site:
        replies = {path: await Browser(site).get(path) for path in STATUS}
        assert {path: reply.code for path, reply in replies.items()} == STATUS
        ada = Browser(site)
        await ada.get("/answer")
        replies["destroy"] = await ada.get("/destroy")
        call = request("s.do", [Registered(ss, put(a=1)).name])
        replies["POST"] = await Browser(site).fetch("/rpc", "POST", call, headers=JSON_TYPE)
        async with ada.socket() as socket:
            await over_socket(socket, ss, log_in)
            ticket = socket.events[0]["params"]["ticket"]
            replies["ticket"] = await ada.post_json("/rpc/session", {"ticket": ticket})
    assert {name: len(set_cookies(reply)) for name, reply in replies.items()} == dict.fromkeys(replies, 1)
    assert {reply.headers["Cache-Control"] for reply in replies.values()} == {"no-store"}
    logs.take("500 GET|12345")


@pytest.mark.gen_test
async def test_a_reply_without_a_cookie_is_the_routes_own(make_server: MakeServer) -> None:
    async with serving(with_routes(make_server({}))) as site:
        ada = Browser(site)
        await ada.get("/answer")
        assert (await ada.get("/cached")).headers["Cache-Control"] == "public, max-age=3600"


@asynccontextmanager
async def prefixed(make_server: MakeServer) -> AsyncIterator[Site]:
    """A server with the settings that the page gives for __Host-, behind a proxy that says https."""
    ss = session_server(make_server)
    ss.session.options.key = "__Host-sid"
    ss.session.options.cookie.secure = True
    async with serving(with_routes(ss)) as site:
        yield site


def is_good_for_the_prefix(header: str) -> bool:
    """Browsers drop a cookie of that name without Secure and Path=/, or with a Domain (RFC 6265bis, 4.1.3.2)."""
    attributes = header.split("; ")[1:]
    return {"Secure", "Path=/", "HttpOnly", "SameSite=Lax"} < set(attributes) and "Domain" not in header


@pytest.mark.gen_test
async def test_browsers_take_the_cookie_with_the_prefix(make_server: MakeServer) -> None:
    """From a reply, from a handshake, from a ticket, and the one that takes it away."""
    async with prefixed(make_server) as site:
        (first,) = set_cookies(await Browser(site).get("/answer"))
        ada = Browser(site, first.split(";")[0])
        async with connect(site) as socket:
            assert socket.connection.response
            handshakes = socket.connection.response.headers["Set-Cookie"]
        async with ada.socket() as socket:
            await over_socket(socket, site.ss, log_in)
            reply = await ada.post_json("/rpc/session", socket.events[0]["params"])
        (tickets,) = set_cookies(reply)
        (last,) = set_cookies(await Browser(site, tickets.split(";")[0]).get("/destroy"))
        assert last.startswith("__Host-sid=; Max-Age=0; ")
        for header in (first, handshakes, tickets, last):
            assert header.startswith("__Host-sid=")
            assert is_good_for_the_prefix(header)


ADMINS = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Real-Ip": "127.0.0.1",
    "X-Forwarded-Host": "localhost",
    "Forwarded": "for=127.0.0.1;host=localhost",
    "X-Debug": "1",
    "Referer": "http://localhost/admin",
}


def tells_too_much(reply: Reply) -> bool:
    return any(word in reply.body for word in (b"Traceback", b"12345", b".py", b"RuntimeError"))


@pytest.mark.gen_test
async def test_no_header_makes_an_error_say_more(make_server: MakeServer, logs: Logs) -> None:
    """Some servers show their stack to whoever claims to come from 127.0.0.1."""
    source = """
        def actions(req, res, ss):
            async def fail():
                raise RuntimeError("the password is 12345")
            return [fail]
    """
    ss = with_routes(make_server({"rpc/app.py": source}))
    async with serving(ss) as site:
        ada = Browser(site)
        for headers in ({}, ADMINS):
            route = await ada.get("/fail?debug=1", headers=headers)
            call = await ada.fetch("/rpc?debug=1", "POST", request("app.fail"), headers=JSON_TYPE | headers)
            assert (route.code, call.code) == (500, 200)
            assert not tells_too_much(route)
            assert not tells_too_much(call)
            assert json.loads(call.body)["error"].keys() == {"code", "message", "data"}
            for bad in ("{", "[]", '{"method": 5}', request("app.none"), request("app.fail", {"x": 1})):
                assert not tells_too_much(await ada.fetch("/rpc", "POST", bad, headers=JSON_TYPE | headers))
            for path in ("/none", "/rpc", "/rpc/session", "/rpc/none", "/readyz/x"):
                assert not tells_too_much(await ada.get(path, headers=headers))
    logs.take("12345|500 GET")


@pytest.mark.gen_test
async def test_json_is_not_taken_for_a_page(make_server: MakeServer) -> None:
    async with serving(make_server({})) as site:
        for method, path in (("POST", "/rpc"), ("GET", "/healthz"), ("GET", "/readyz")):
            reply = await Browser(site).fetch(path, method, "{" if method == "POST" else None, headers=JSON_TYPE)
            assert reply.headers["Content-Type"] == "application/json"
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
