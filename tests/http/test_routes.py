"""HTTP routes: what a route may return, what res can do, paths, methods, and how errors are answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rpc_sessions import HTTPRequest, HTTPResponse, Server
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs

Answer = tuple[int, str | None, bytes]


def routes(make_server: MakeServer) -> Server:
    ss = make_server({})
    route = ss.http.route

    @route("/text")
    async def text(req: HTTPRequest, res: HTTPResponse) -> Any:
        return "<b>é</b>"

    @route("/bytes")
    async def raw(req: HTTPRequest, res: HTTPResponse) -> Any:
        return b"\xff\x00"

    @route("/dict")
    async def object_(req: HTTPRequest, res: HTTPResponse) -> Any:
        return {"a": [1, None, "é"]}

    @route("/list")
    async def list_(req: HTTPRequest, res: HTTPResponse) -> Any:
        return [1]

    @route("/number")
    async def number(req: HTTPRequest, res: HTTPResponse) -> Any:
        return 0

    @route("/none")
    async def none(req: HTTPRequest, res: HTTPResponse) -> Any:
        return None

    @route("/none/200")
    async def empty(req: HTTPRequest, res: HTTPResponse) -> Any:
        return ""

    @route("/end")
    async def end(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.header("Content-Type", "text/html").end("<b>é</b>")

    @route("/json")
    async def json_(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.status(201).header("X-One", "1").header("X-Two", "2").json([True])

    @route("/status")
    async def status(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.status(404)
        return {"error": "none such"}

    @route("/status/none")
    async def status_none(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.status(202)

    @route("/redirect")
    async def redirect(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.redirect("/text?a=é")

    @route("/redirect/302")
    async def redirect_302(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.redirect("https://example.com/", 302)

    @route("/answer")
    async def answer(req: HTTPRequest, res: HTTPResponse) -> Any:
        res("early")

    @route("/error")
    async def error(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.error(-32001, "log in first", {"at": "/login"})

    @route("/error/teapot")
    async def teapot(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.status(418).error(1, "short and stout")

    @route("/twice")
    async def twice(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.end("first")
        res.json("second")
        return "third"

    return ss


ANSWERS: dict[str, Answer] = {
    "/text": (200, "text/plain; charset=utf-8", "<b>é</b>".encode()),
    "/bytes": (200, "text/plain; charset=utf-8", b"\xff\x00"),
    "/dict": (200, "application/json", '{"a":[1,null,"é"]}'.encode()),
    "/list": (200, "application/json", b"[1]"),
    "/number": (200, "application/json", b"0"),
    "/none": (204, None, b""),
    "/none/200": (200, "text/plain; charset=utf-8", b""),
    "/end": (200, "text/html", "<b>é</b>".encode()),
    "/json": (201, "application/json", b"[true]"),
    "/status": (404, "application/json", b'{"error":"none such"}'),
    "/status/none": (202, None, b""),
    "/redirect": (303, "text/plain; charset=utf-8", b""),
    "/redirect/302": (302, "text/plain; charset=utf-8", b""),
    "/answer": (200, "text/plain; charset=utf-8", b"early"),
    "/error": (401, "application/json", b'{"error":{"code":-32001,"message":"log in first","data":{"at":"/login"}}}'),
    "/error/teapot": (418, "application/json", b'{"error":{"code":1,"message":"short and stout"}}'),
    "/twice": (200, "text/plain; charset=utf-8", b"first"),
}


@pytest.mark.gen_test
async def test_what_a_route_answers(make_server: MakeServer, logs: Logs) -> None:
    async with serving(routes(make_server)) as site:
        browser = Browser(site)
        for path, answer in ANSWERS.items():
            response = await browser.get(path)
            content_type = None if answer[1] is None else response.headers["Content-Type"]
            assert (response.code, content_type, response.body) == answer, path
            assert "Set-Cookie" not in response.headers
            head = await browser.fetch(path, "HEAD")
            assert (head.code, head.body) == (answer[0], b""), path
        response = await browser.get("/json")
        assert (response.headers["X-One"], response.headers["X-Two"]) == ("1", "2")
        assert (await browser.get("/redirect/302")).headers["Location"] == "https://example.com/"
    assert len(logs.take("(GET|HEAD) /[a-z/]+ answered a second time: ignored")) == 4


@pytest.mark.gen_test
async def test_headers_are_sent_with_an_error_too_and_cookies_of_ones_own_beside_ours(make_server: MakeServer) -> None:
    ss = make_server({})

    @ss.http.route("/later")
    async def later(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.header("Retry-After", "5").error(-32004, "slow down")

    @ss.http.route("/cookies")
    async def cookies(req: HTTPRequest, res: HTTPResponse) -> Any:
        req.session["a"] = 1
        res.header("Set-Cookie", "a=1").header("set-cookie", "b=2").header("X-One", "0").header("X-One", "1")

    async with serving(ss) as site:
        assert (await Browser(site).get("/later")).headers["Retry-After"] == "5"
        response = await Browser(site).get("/cookies")
        assert [header[:4] for header in set_cookies(response)] == ["a=1", "b=2", "conn"]
        assert response.headers["X-One"] == "1"


@pytest.mark.gen_test
async def test_paths_and_their_fields(make_server: MakeServer) -> None:
    ss = make_server({})

    @ss.http.route("/cart/{item}/of/{owner}")
    async def cart(req: HTTPRequest, res: HTTPResponse) -> Any:
        return [req.method, req.path, req.params, req.body.decode()]

    @ss.http.route("/a.b")
    async def dotted(req: HTTPRequest, res: HTTPResponse) -> Any:
        return "dotted"

    async def answer(path: str, **options: Any) -> Any:
        response = await browser.fetch(path, **options)
        return json.loads(response.body) if response.code == 200 else response.code

    async with serving(ss) as site:
        browser = Browser(site)
        assert await answer("/cart/7/of/ada") == ["GET", "/cart/7/of/ada", {"item": "7", "owner": "ada"}, ""]
        assert (await answer("/cart/%C3%A9%2Fx/of/a%20b"))[2] == {"item": "é/x", "owner": "a b"}
        assert (await answer("/cart/7/of/ada?n=1&n=2&m=%FF&item=8"))[2] == {
            "item": "7", "owner": "ada", "n": ["1", "2"], "m": "�",
        }  # fmt: skip
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        posted = await answer("/cart/7/of/ada?q=1", method="POST", body="name=ada&n=1", headers=form)
        assert posted == [
            "POST", "/cart/7/of/ada", {"item": "7", "owner": "ada", "q": "1", "name": "ada", "n": "1"}, "name=ada&n=1",
        ]  # fmt: skip
        named = await answer("/cart/7/of/ada?%C3%A9=1&%FF=2", method="POST", body="%F0%9F%98%80=3", headers=form)
        assert named[2] == {"item": "7", "owner": "ada", "é": "1", "\xff": "2", "\U0001f600": "3"}
        for path in ("/cart", "/cart/7", "/cart/7/of/", "/cart//of/ada", "/cart/7/of/ada/", "/x/cart/7/of/ada", "/aXb"):
            assert await answer(path) == 404


@pytest.mark.gen_test
async def test_methods(make_server: MakeServer) -> None:
    ss = make_server({})

    @ss.http.route("/any")
    async def any_(req: HTTPRequest, res: HTTPResponse) -> Any:
        return req.method

    @ss.http.route("/post", methods=["post", "PUT"])
    async def post(req: HTTPRequest, res: HTTPResponse) -> Any:
        req.session["written"] = True
        return req.method

    @ss.http.route("/get", methods=["get"])
    async def get(req: HTTPRequest, res: HTTPResponse) -> Any:
        return req.method

    async with serving(ss) as site:
        browser = Browser(site)
        head = await browser.fetch("/get", "HEAD")
        assert (head.code, head.headers["Content-Length"], head.body) == (200, "4", b"")
        assert (await browser.fetch("/get", "DELETE")).headers["Allow"] == "GET, HEAD"
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            body = None if method in ("GET", "DELETE") else ""
            response = await browser.fetch("/any", method, body)
            assert (response.code, response.body) == (200, method.encode())
        assert (await browser.fetch("/post", "PUT", "")).body == b"PUT"
        browser.cookie = ""
        for method in ("GET", "HEAD", "DELETE", "PATCH", "OPTIONS"):
            response = await browser.fetch("/post", method, "" if method == "PATCH" else None)
            assert response.code == 405
            assert response.headers["Allow"] == "POST, PUT"
        assert (await browser.fetch("/any", "BREW")).code == 405
        assert browser.cookie == ""


@pytest.mark.gen_test
async def test_the_body_as_json(make_server: MakeServer) -> None:
    ss = make_server({})

    @ss.http.route("/json")
    async def json_(req: HTTPRequest, res: HTTPResponse) -> Any:
        return [req.json()]

    async with serving(ss) as site:
        browser = Browser(site)
        assert json.loads((await browser.fetch("/json", "POST", '{"a":1}')).body) == [{"a": 1}]
        for body in ("", "{", "NaN", "[" * 100 + "]" * 100, b"\xff"):
            response = await browser.fetch("/json", "POST", body)
            assert (response.code, json.loads(response.body)["error"]["code"]) == (400, -32700)


@pytest.mark.parametrize("code", [99, 100, 101, 600, 0, "404", None, 404.5])
@pytest.mark.gen_test
async def test_a_status_that_is_none_is_refused_where_it_is_set(make_server: MakeServer, logs: Logs, code: Any) -> None:
    ss = make_server({})

    @ss.http.route("/status")
    async def status(req: HTTPRequest, res: HTTPResponse) -> Any:
        req.session["written"] = True
        res.status(code)

    @ss.http.route("/redirect")
    async def redirect(req: HTTPRequest, res: HTTPResponse) -> Any:
        res.redirect("/", code)

    async with serving(ss) as site:
        browser = Browser(site)
        for path in ("/status", "/redirect"):
            assert (await browser.fetch(path)).code == 500
        assert browser.cookie == ""
    logs.take(f"ValueError: a status is a number from 200 to 599, not {code!r}")
    logs.take("500 GET")
