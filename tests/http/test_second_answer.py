"""Only the first answer of a route counts: a second changes nothing of it, and is logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rpc_sessions import HTTPRequest, HTTPResponse
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.logs import Logs

Answer = Callable[[HTTPResponse], object]
ANSWERS: dict[str, tuple[Answer, int, bytes, str | None, str | None]] = {  # status, body, Content-Type, Location
    "text": (lambda res: res.end("hello"), 200, b"hello", "text/plain; charset=utf-8", None),
    "json": (lambda res: res.json([1]), 200, b"[1]", "application/json", None),
    "redirect": (lambda res: res.redirect("/x", 307), 307, b"", "text/plain; charset=utf-8", "/x"),
    "nothing": (lambda res: res(), 204, b"", None, None),
    "value": (lambda res: res({"a": 1}), 200, b'{"a":1}', "application/json", None),
    "error": (
        lambda res: res.error(-32001, "no"), 401, b'{"error":{"code":-32001,"message":"no"}}', "application/json", None,
    ),
}  # fmt: skip
AGAIN: dict[str, Answer] = {name: answer for name, (answer, *_) in ANSWERS.items()} | {
    "text": lambda res: res.end("again"),
    "redirect": lambda res: res.redirect("/again"),
}


def shown(response: Any) -> tuple[int, bytes, str | None, str | None]:
    return response.code, response.body, response.headers.get("Content-Type"), response.headers.get("Location")


@pytest.mark.parametrize("again", AGAIN)
@pytest.mark.parametrize("first", ANSWERS)
@pytest.mark.gen_test
async def test_a_second_answer_changes_nothing(make_server: MakeServer, logs: Logs, first: str, again: str) -> None:
    ss = make_server({})

    async def hasty(req: Any, res: Any, next: Any) -> None:
        ANSWERS[first][0](res)
        await next()

    @ss.http.route("/within")
    async def within(req: HTTPRequest, res: HTTPResponse) -> None:
        ANSWERS[first][0](res)
        AGAIN[again](res)

    @ss.http.route("/behind", use=[hasty])
    async def behind(req: HTTPRequest, res: HTTPResponse) -> None:
        AGAIN[again](res)

    async with serving(ss) as site:
        for path in ("/within", "/behind"):
            assert shown(await Browser(site).get(path)) == ANSWERS[first][1:]
            assert len(logs.take(f"GET {path} answered a second time: ignored")) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda res: res.redirect("/\r\nSet-Cookie: a=b"),
        lambda res: res.redirect("/", 99),
        lambda res: res.json(object()),
        lambda res: res(object()),
    ],
    ids=["url", "status", "json", "value"],
)
@pytest.mark.gen_test
async def test_a_second_answer_that_is_none_is_a_fault_all_the_same(
    make_server: MakeServer, logs: Logs, wrong: Answer
) -> None:
    ss = make_server({})

    @ss.http.route("/wrong")
    async def route(req: HTTPRequest, res: HTTPResponse) -> None:
        res.end("hello")
        wrong(res)

    async with serving(ss) as site:
        assert (await Browser(site).get("/wrong")).code == 500
    logs.take("ValueError|TypeError")
    logs.take("500 GET")
