"""More mistakes in routes and mounts that are found at start, with file and line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tornado.web

from rpc_sessions import ConfigError, HTTPRequest, HTTPResponse, RequestHandler
from tests.apps import MakeServer

FILE = __file__


async def good(req: HTTPRequest, res: HTTPResponse) -> Any:
    return "good"


class Misspelt(RequestHandler):
    use = ["sesion"]


class UseIsText(RequestHandler):
    use = "session"


Mistake = tuple[Callable[[Any], Any], str]
MISTAKES: dict[str, Mistake] = {
    "health": (lambda http: http.route("/healthz")(good), "'/healthz' is taken"),
    "no methods": (lambda http: http.route("/a", methods=[])(good), "methods is a list"),
    "a folder": (lambda http: http.route("/a", use=["m"])(good), "name a function in it"),
    "a number as middleware": (lambda http: http.route("/a", use=[5])(good), "unknown middleware 5"),
    "no list as use": (lambda http: http.route("/a", use=5)(good), "use is a list, not 5"),
    "nothing as use": (lambda http: http.route("/a", use=None)(good), "use is a list, not None"),
    "an empty tuple as middleware": (lambda http: http.route("/a", use=[()])(good), "use has an empty tuple"),
    "a number as option": (lambda http: http.route("/a", use=[("session", {1: 2})])(good), "are named by strings"),
    "a list as middleware": (lambda http: http.route("/a", use=[["m.ok"]])(good), "unknown middleware ['m.ok']"),
    "a mount of an instance": (lambda http: http.mount("/a", good), "RequestHandler class"),
    "a bad pattern": (lambda http: http.mount("/(", tornado.web.RequestHandler), "unterminated"),
    "a mount with misspelt use": (lambda http: http.mount("/a", Misspelt), "unknown middleware 'sesion'"),
    "a mount with use as text": (lambda http: http.mount("/a", UseIsText), "use is a list"),
}
MIDDLEWARE = {"middleware/m.py": "def ok():\n    async def ok(req, res, next):\n        await next()\n    return ok\n"}


@pytest.mark.parametrize(("mistake", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_found_at_start(make_server: MakeServer, mistake: Callable[[Any], Any], sentence: str) -> None:
    ss = make_server(MIDDLEWARE)
    mistake(ss.http)
    with pytest.raises(ConfigError) as caught:
        ss.make_app()
    (problem,) = caught.value.problems
    assert problem.startswith(FILE), problem
    line = int(problem.removeprefix(f"{FILE}:").split(":")[0])
    assert line > 10
    assert sentence in problem


def test_what_is_right_starts(make_server: MakeServer) -> None:
    ss = make_server(MIDDLEWARE)
    for number, use in enumerate([[], ["session", "m.ok"], ("session",), [("session",)], ["debug", ("debug", 1, 2)]]):
        ss.http.route(f"/{number}/{{a}}/{{b_c}}", methods=("get",), use=use)(good)  # type: ignore[arg-type]  # any sequence
    ss.make_app()
