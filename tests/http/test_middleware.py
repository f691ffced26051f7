"""One chain for routes and handlers: ``use`` with config, its order, what comes before and behind the handler."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest

from rpc_sessions import HTTPRequest, HTTPResponse, NotAuthorised, RequestHandler, Server
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs

MIDDLEWARE = """
    from rpc_sessions import NotAuthorised

    trace = []

    def step(name, also=None):
        async def step(req, res, next):
            trace.append(f"{name} {also}" if also else name)
            await next()
            trace.append(f"/{name}")
        return step

    def logged_in():
        async def check(req, res, next):
            if req.session.user_id is None:
                return res.error(-32001, "log in first")
            await next()
        return check

    def refuse():
        async def refuse(req, res, next):
            raise NotAuthorised("refused")
        return refuse

    def answer(value):
        async def answer(req, res, next):
            req.session["answered"] = True
            res(value)
        return answer

    def log_in():
        async def log_in(req, res, next):
            await req.session.set_user_id("ada")
            res("welcome")
        return log_in

    def header(name, value, late=False):
        async def header(req, res, next):
            if not late:
                res.header(name, value)
            await next()
            if late:
                res.header(name, value)
        return header

    def attribute():
        async def attribute(req, res, next):
            req.found = "by middleware"
            await next()
        return attribute

    def fails_late():
        async def fails_late(req, res, next):
            await next()
            raise RuntimeError("too late")
        return fails_late

    def twice():
        async def twice(req, res, next):
            await next()
            await next()
        return twice

    def forgets():
        async def forgets(req, res, next):
            pass
        return forgets

    def unawaited():
        async def unawaited(req, res, next):
            next()
        return unawaited
"""
CHAINS: dict[str, list[Any]] = {
    "order": [("m.step", "one"), ("m.step", "two", {"also": "b"}), ("m.step", "three")],
    "guarded": ["session", "m.logged_in"],
    "refused": [("m.step", "before"), "m.refuse", ("m.step", "never")],
    "answered": ["session", ("m.answer", {"a": 1}, {})],
    "log_in": ["session", "m.log_in"],
    "header": [("m.header", "X-One", "1"), ("m.header", "X-Two", "2", {"late": True})],
    "attribute": ["m.attribute"],
    "fails_late": ["session", "m.fails_late"],
    "twice": ["m.twice"],
    "forgets": ["m.forgets"],
    "unawaited": ["m.unawaited"],
    "debug": ["debug"],
}


def chains(make_server: MakeServer, kind: str) -> Server:
    """Each chain at /<name>, around a route or around a RequestHandler."""
    ss = make_server({"middleware/m.py": MIDDLEWARE})
    for name, chain in CHAINS.items():
        if kind == "route":

            @ss.http.route(f"/{name}", use=chain)
            async def reached(req: HTTPRequest, res: HTTPResponse) -> Any:
                _reached(req)
                return getattr(req, "found", "reached")
        else:
            ss.http.mount(f"/{name}", type(f"H_{name}", (Handler,), {"use": chain}))
    return ss


class Handler(RequestHandler):
    use: ClassVar[list[Any]] = []

    async def get(self) -> None:
        _reached(self.req)
        self.set_header("Content-Type", "text/plain")
        self.write(getattr(self.req, "found", "reached"))


def _reached(req: HTTPRequest) -> None:
    if req.has_session:
        req.session["reached"] = True
    trace(None).append("handler")


def trace(ss: Server | None) -> list[str]:
    """The list that the middleware's ``step`` writes to."""
    if ss is not None:
        factory: Any = ss._ready().registry._factories["m.step"]
        trace.list = factory.__globals__["trace"]  # type: ignore[attr-defined]  # kept on the function
    found: list[str] = trace.list  # type: ignore[attr-defined]  # as above
    return found


KINDS = pytest.mark.parametrize("kind", ["route", "handler"])


@KINDS
@pytest.mark.gen_test
async def test_they_run_in_order_around_the_handler(make_server: MakeServer, kind: str) -> None:
    ss = chains(make_server, kind)
    async with serving(ss) as site:
        steps = trace(ss)
        response = await Browser(site).get("/order")
        assert (response.code, response.body) == (200, b"reached")
        assert steps == ["one", "two b", "three", "handler", "/three", "/two", "/one"]


@KINDS
@pytest.mark.gen_test
async def test_what_stops_the_chain_keeps_the_handler_from_running(make_server: MakeServer, kind: str) -> None:
    ss = chains(make_server, kind)
    async with serving(ss) as site:
        steps, browser = trace(ss), Browser(site)
        response = await browser.get("/refused")
        assert (response.code, json.loads(response.body)["error"]["message"]) == (401, "refused")
        assert steps == ["before"]
        response = await browser.get("/guarded")
        assert (response.code, json.loads(response.body)["error"]["message"]) == (401, "log in first")
        assert (steps, browser.cookie) == (["before"], "")


@KINDS
@pytest.mark.gen_test
async def test_an_answer_of_the_middleware_saves_the_session_and_sets_its_cookie(
    make_server: MakeServer, kind: str
) -> None:
    ss = chains(make_server, kind)
    async with serving(ss) as site:
        steps, browser = trace(ss), Browser(site)
        response = await browser.get("/answered")
        assert (response.code, response.body, len(set_cookies(response))) == (200, b'{"a":1}', 1)
        first = browser.id
        response = await browser.get("/log_in")
        assert (response.code, response.body, len(set_cookies(response))) == (200, b"welcome", 1)
        assert steps == []
        assert browser.id != first
        assert (await browser.get("/guarded")).body == b"reached"


@KINDS
@pytest.mark.gen_test
async def test_middleware_can_set_headers_and_attributes(make_server: MakeServer, kind: str) -> None:
    ss = chains(make_server, kind)
    async with serving(ss) as site:
        trace(ss)
        response = await Browser(site).get("/header")
        assert (response.body, response.headers.get("X-One"), response.headers.get("X-Two")) == (b"reached", "1", "2")
        assert (await Browser(site).get("/attribute")).body == b"by middleware"
        assert (await Browser(site).get("/debug")).body == b"reached"


@KINDS
@pytest.mark.gen_test
async def test_middleware_that_breaks_its_contract_is_a_500(make_server: MakeServer, kind: str, logs: Logs) -> None:
    ss = chains(make_server, kind)
    async with serving(ss) as site:
        steps, browser = trace(ss), Browser(site)
        for path, reached in (("fails_late", 1), ("twice", 2), ("forgets", 2), ("unawaited", 2)):
            response = await browser.get(f"/{path}")
            assert response.code == 500, path
            assert b"reached" not in response.body
            assert len(steps) == reached, path
        assert browser.cookie == ""
    logs.take(r"too late|next\(\)|500 GET")


def test_a_handler_of_no_known_exception_is_not_authorised() -> None:
    assert NotAuthorised().code == -32001
