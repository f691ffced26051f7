"""Errors of routes: an RPCError has the HTTP status of its code; any other says nothing of itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rpc_sessions import HTTPRequest, HTTPResponse, NotAuthorised, RPCError
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.logs import Logs

STATUS = {
    -32700: 400, -32600: 400, -32602: 400, -32601: 404, -32603: 500, -32000: 503, -32001: 401, -32002: 504,
    -32003: 413, -32004: 429, -32010: 503, -32800: 500, 1: 500,
}  # fmt: skip


@pytest.mark.gen_test
async def test_an_rpc_error_is_an_http_error(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({})

    @ss.http.route("/raise/{code}")
    async def raise_(req: HTTPRequest, res: HTTPResponse) -> Any:
        raise RPCError(int(str(req.params["code"])), "why", "data")  # type: ignore[call-overload]  # a dict, over HTTP

    @ss.http.route("/login")
    async def login(req: HTTPRequest, res: HTTPResponse) -> Any:
        raise NotAuthorised

    @ss.http.route("/odd")
    async def odd(req: HTTPRequest, res: HTTPResponse) -> Any:
        raise RPCError(5, "odd", object())

    async with serving(ss) as site:
        browser = Browser(site)
        for code, status in STATUS.items():
            response = await browser.get(f"/raise/{code}")
            assert response.code == status
            assert json.loads(response.body) == {"error": {"code": code, "message": "why", "data": "data"}}
        assert (await browser.get("/login")).code == 401
        assert (await browser.get("/odd")).code == 500
    logs.take("50[034] GET|cannot be written|write_error")


@pytest.mark.gen_test
async def test_any_other_error_says_nothing_of_itself(make_server: MakeServer, logs: Logs) -> None:
    ss = make_server({})

    @ss.http.route("/raise")
    async def raise_(req: HTTPRequest, res: HTTPResponse) -> Any:
        raise RuntimeError("the password is 12345")

    @ss.http.route("/unwritable")
    async def unwritable(req: HTTPRequest, res: HTTPResponse) -> Any:
        return {"password 12345": object()}

    @ss.http.route("/header")
    async def header(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.redirect("/\r\nSet-Cookie: a=12345")

    async with serving(ss) as site:
        browser = Browser(site)
        for path in ("/raise", "/unwritable", "/header"):
            response = await browser.get(path)
            assert response.code == 500
            assert b"12345" not in response.body
            assert b"Traceback" not in response.body
            assert "Set-Cookie" not in response.headers
    logs.take("12345|500 GET|Uncaught")


WRONG_HEADERS: list[tuple[Any, Any, str]] = [
    ("X-Odd", "a\nb", r"ValueError: the header X-Odd cannot hold '\\n'"),
    ("X-Odd", "a\r\nSet-Cookie: b=1", r"cannot hold '\\r'"),
    ("X-Odd", "a\0", r"cannot hold '\\x00'"),
    ("X-Odd", "漢字", r"cannot hold '漢': in a URL, write urllib\.parse\.quote\(text\)"),
    ("X-Odd", None, "TypeError: the header X-Odd is a string or a number, not NoneType"),
    ("X-Odd", b"bytes", "TypeError: the header X-Odd is a string or a number, not bytes"),
    ("X Odd", "a", "ValueError: 'X Odd' is no name of a header"),
    ("X-Odd:", "a", "'X-Odd:' is no name"),
    ("X-Odd\r\nX", "a", "is no name"),
    ("", "a", "'' is no name"),
]


@pytest.mark.parametrize(("name", "value", "says"), WRONG_HEADERS)
@pytest.mark.gen_test
async def test_a_header_that_cannot_be_sent_is_refused_at_its_line(
    make_server: MakeServer, logs: Logs, name: Any, value: Any, says: str
) -> None:
    ss, passed = make_server({}), list[str]()

    @ss.http.route("/header")
    async def header(req: HTTPRequest, res: HTTPResponse) -> Any:
        req.session["a"] = 1
        res.header(name, value)
        passed.append("header")

    @ss.http.route("/redirect")
    async def redirect(req: HTTPRequest, res: HTTPResponse) -> Any:
        req.session["a"] = 1
        res.redirect("/next" + value)
        passed.append("redirect")

    @ss.http.route("/session")
    async def session(req: HTTPRequest, res: HTTPResponse) -> Any:
        return dict(req.session)

    async with serving(ss) as site:
        browser = Browser(site)
        assert (await browser.get("/header")).code == 500
        if name == "X-Odd":
            assert (await browser.get("/redirect")).code == 500
        assert not passed
        assert json.loads((await browser.get("/session")).body) == {}  # nothing was stored
    logs.take(says)
    logs.take("500 GET")
    logs.take("Uncaught")


@pytest.mark.gen_test
async def test_any_other_header_is_sent(make_server: MakeServer) -> None:
    ss = make_server({})

    @ss.http.route("/headers")
    async def headers(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.header("X-Number", 5).header("X-Latin", "é\t!").header("x-empty", "").header("Set-Cookie", " a=1 ")
        res.redirect("/%E6%BC%A2?a=b&c=é")

    async with serving(ss) as site:
        found = (await Browser(site).get("/headers")).headers
        assert (found["X-Number"], found["X-Latin"], found["X-Empty"]) == ("5", "é\t!", "")
        assert (found["Set-Cookie"], found["Location"]) == ("a=1", "/%E6%BC%A2?a=b&c=é")
