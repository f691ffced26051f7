"""What is wrong with a route is found when the server starts, by file and line, before a port is taken."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from rpc_sessions import ConfigError, Server
from tests.apps import MakeServer, serving
from tests.http.browser import Browser


async def fine(req: Any, res: Any, ss: Any = None) -> str:
    return "fine"


def sync(req: Any, res: Any) -> str:
    return "sync"


async def one(req: Any) -> str:
    return "one"


async def three(req: Any, res: Any, ss: Any) -> str:
    return "three"


async def keyword(req: Any, *, res: Any) -> str:
    return "keyword"


async def stream(req: Any, res: Any) -> Any:
    yield "a generator"


Decorate = Callable[[Any], Any]
A_ROUTE = "a route is an async function (req, res)"
WRONG: list[tuple[Decorate, str]] = [
    (lambda http: http.route("/")(sync), A_ROUTE),
    (lambda http: http.route("/")(one), A_ROUTE),
    (lambda http: http.route("/")(three), A_ROUTE),
    (lambda http: http.route("/")(keyword), A_ROUTE),
    (lambda http: http.route("/")(stream), A_ROUTE),
    (lambda http: http.route("")(fine), "the path '' is without its slash"),
    (lambda http: http.route("cart")(fine), "the path 'cart' is without its slash"),
    (lambda http: http.route("/rpc")(fine), "the path '/rpc' is the protocol's own"),
    (lambda http: http.route("/rpc/session")(fine), "the path '/rpc/session' is the protocol's own"),
    (lambda http: http.route("/", methods=["GET", "BREW"])(fine), "unknown HTTP method BREW"),
    (lambda http: http.route("/", methods="GET")(fine), "methods is a list"),
    (lambda http: http.route("/", use=["sesion"])(fine), "unknown middleware 'sesion'"),
    (lambda http: http.route("/", use=[("session", {"autosaves": True})])(fine), "autosaves"),
    (lambda http: http.route("/", use=[("session", {"autosave": True, "readonly": True})])(fine), "exclude each other"),
    (lambda http: http.route("/", use=[sync])(fine), "must return an async function (req, res, next)"),
    (lambda http: http.route("/", use=[one])(fine), "must return a function of (req, res, next)"),
    (lambda http: http.route("/", use="session")(fine), "use is a list"),
    (lambda http: http.route("/{a}/{a}")(fine), "'/{a}/{a}'"),
    (lambda http: http.route("/{1}")(fine), "'/{1}'"),
]


@pytest.mark.parametrize(("decorate", "sentence"), WRONG)
def test_a_wrong_route_is_found(decorate: Decorate, sentence: str, make_server: MakeServer) -> None:
    ss = make_server({})
    function = decorate(ss.http)
    for start in (Server.make_app, Server.handlers):
        with pytest.raises(ConfigError) as caught:
            start(ss)
        (said,) = caught.value.problems
        assert said.startswith(f"{__file__}:{function.__code__.co_firstlineno}: "), said
        assert sentence in said


@pytest.mark.parametrize("nothing", [None, "fine", 5])
def test_what_is_no_function_is_found_where_it_was_registered(nothing: Any, make_server: MakeServer) -> None:
    ss = make_server({})
    ss.http.route("/")(nothing)
    with pytest.raises(ConfigError, match=r"test_route_start\.py:\d+: a route is an async function"):
        ss.make_app()


def test_a_route_without_a_path(make_server: MakeServer) -> None:
    http: Any = make_server({}).http
    with pytest.raises(TypeError, match=r'write @ss.http.route\("/path"\)'):
        http.route(fine)


def test_a_path_that_is_taken(make_server: MakeServer) -> None:
    ss = make_server({})
    ss.http.route("/cart")(fine)
    ss.http.route("/cart/{item}")(fine)
    ss.make_app()
    ss.http.route("/cart", methods=["POST"])(fine)
    with pytest.raises(ConfigError, match="the path '/cart' is taken"):
        ss.make_app()


def test_all_are_told_at_once(make_server: MakeServer) -> None:
    ss = make_server({})
    ss.http.route("a")(sync)  # type: ignore[type-var]  # the mistake
    ss.http.route("/b")(sync)  # type: ignore[type-var]  # the mistake
    ss.http.route("/c")(fine)
    ss.http.mount("/d", object)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ConfigError) as caught:
        ss.make_app()
    assert len(caught.value.problems) == 3


@pytest.mark.gen_test
async def test_start_and_run_refuse_before_a_port_is_taken(make_server: MakeServer, free_port: int) -> None:
    ss = make_server({})
    ss.http.route("/")(sync)  # type: ignore[type-var]  # the mistake
    with pytest.raises(ConfigError, match="async function"):
        await ss.start(port=free_port)
    with pytest.raises(SystemExit, match="async function"):
        ss.run(port=free_port)
    other = make_server({})
    assert await other.start(port=free_port) == free_port
    await other.stop(drain=0)


# -- what is fine ------------------------------------------------------------------------------------


def logged(function: Any) -> Any:
    @functools.wraps(function)
    async def inner(*args: Any) -> Any:
        return f"<{await function(*args)}>"

    return inner


class Shop:
    async def show(self, req: Any, res: Any) -> str:
        return "shop"


@pytest.mark.gen_test
async def test_decorated_bound_and_partial_functions_are_routes(make_server: MakeServer) -> None:
    ss = make_server({})
    ss.http.route("/logged", use=["debug"])(logged(fine))
    ss.http.route("/shop")(Shop().show)
    ss.http.route("/partial")(functools.partial(three, ss=ss))
    async with serving(ss) as site:
        bodies = [(await Browser(site).get(path)).body for path in ("/logged", "/shop", "/partial")]
    assert bodies == [b"<fine>", b"shop", b"three"]
