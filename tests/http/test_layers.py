"""Layers around a RequestHandler that answer in its place, or fail before it or behind it: what is sent and saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import tornado.web

from rpc_sessions import NotAuthorised, RequestHandler
from rpc_sessions.types import Middleware
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.session.steps import over_http, session_server


async def deny(req: Any, res: Any, next: Any) -> None:
    res.error(-32001, "log in first", {"at": "/login"})


async def greet(req: Any, res: Any, next: Any) -> None:
    req.session["greeted"] = True
    res.status(202).header("X-By", "greet").end("hello")


async def refuse(req: Any, res: Any, next: Any) -> None:
    raise NotAuthorised


async def http_error(req: Any, res: Any, next: Any) -> None:
    raise tornado.web.HTTPError(402)


async def finish(req: Any, res: Any, next: Any) -> None:
    raise tornado.web.Finish("finished")


async def boom(req: Any, res: Any, next: Any) -> None:
    raise KeyError("secret boom")


async def idle(req: Any, res: Any, next: Any) -> None:
    pass


async def twice(req: Any, res: Any, next: Any) -> None:
    await next()
    await next()


async def boom_after(req: Any, res: Any, next: Any) -> None:
    await next()
    raise KeyError("secret boom")


async def catch(req: Any, res: Any, next: Any) -> None:
    try:
        await next()
    except KeyError:
        req.session["caught"] = True


IN_PLACE: list[tuple[Middleware, int, str, dict[str, Any]]] = [
    (deny, 401, '{"error":{"code":-32001,"message":"log in first","data":{"at":"/login"}}}', {}),
    (greet, 202, "hello", {"greeted": True}),
    (refuse, 401, '{"error":{"code":-32001,"message":"Not authorised"}}', {}),
    (http_error, 402, "Payment Required", {}),
    (finish, 200, "finished", {}),
    (boom, 500, "Internal Server Error", {}),
    (idle, 500, "Internal Server Error", {}),
]


def of(use: Sequence[Any], ran: list[str], body: str = "") -> type[RequestHandler]:
    class Handler(RequestHandler):
        async def get(self) -> None:
            ran.append("handler")
            self.req.session["by"] = "handler"
            if body == "boom":
                raise KeyError("secret boom")
            self.write("done")

    Handler.use = use
    return Handler


@pytest.mark.parametrize(("layer", "status", "body", "stored"), IN_PLACE, ids=[case[0].__name__ for case in IN_PLACE])
@pytest.mark.gen_test
async def test_a_layer_in_place_of_the_handler(
    layer: Middleware, status: int, body: str, stored: dict[str, Any], make_server: MakeServer, logs: Logs
) -> None:
    ran: list[str] = []
    ss = session_server(make_server)
    ss.http.mount("/", of(["session", layer], ran))
    async with serving(ss) as site:
        browser = Browser(site)
        response = await browser.get("/")
        assert (response.code, ran) == (status, [])
        assert body in response.body.decode()
        assert b"secret" not in response.body
        assert len(set_cookies(response)) == len(stored)
        assert await over_http(browser, dict) == stored
    if status == 500:
        logs.take("boom|neither answered nor called|500 GET")


@pytest.mark.parametrize("layer", [twice, boom_after])
@pytest.mark.gen_test
async def test_a_layer_that_fails_behind_the_handler_is_the_reply_and_nothing_is_saved(
    layer: Middleware, make_server: MakeServer, logs: Logs
) -> None:
    ran: list[str] = []
    ss = session_server(make_server)
    ss.http.mount("/", of(["session", layer], ran))
    async with serving(ss) as site:
        browser = Browser(site)
        response = await browser.get("/")
        assert (response.code, ran, set_cookies(response)) == (500, ["handler"], [])
        assert b"done" not in response.body
        assert await over_http(browser, dict) == {}
    logs.take("boom|next\\(\\) twice|500 GET")


@pytest.mark.gen_test
async def test_a_layer_sees_what_the_handler_raised(make_server: MakeServer, logs: Logs) -> None:
    ss = session_server(make_server)
    ss.http.mount("/", of(["session", catch], [], "boom"))
    async with serving(ss) as site:
        browser = Browser(site)
        assert (await browser.get("/")).code == 500
        assert await over_http(browser, dict) == {"by": "handler", "caught": True}
    logs.take("boom|500 GET")
