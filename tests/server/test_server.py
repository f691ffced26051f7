"""``python -m server``: what it serves, what it is told by the environment, and that a restart loses nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from http.cookies import SimpleCookie
from typing import Any, Self
from urllib.parse import unquote

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from websockets.asyncio.client import ClientConnection, connect

from server.app import database_of, make_server
from tests.conftest import StartProcess
from tests.server.conftest import SECRET, serve


class Visitor:
    """One browser, as far as the wire shows it: a cookie jar, HTTP and a WebSocket."""

    def __init__(self, url: str, cookie: str = "") -> None:
        self.url = url
        self.cookie = cookie
        self.socket: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        if self.socket is not None:
            await self.socket.close()

    async def http(self, path: str, body: Mapping[str, object] | None = None) -> HTTPResponse:
        """A GET, or with a body a POST of JSON."""
        headers = {"Cookie": self.cookie} | ({} if body is None else {"Content-Type": "application/json"})
        request = HTTPRequest(
            self.url + path,
            method="GET" if body is None else "POST",
            headers=headers,
            body=None if body is None else json.dumps(body),
            request_timeout=60,
        )
        response = await AsyncHTTPClient().fetch(request, raise_error=False)
        self._keep(response.headers.get("Set-Cookie", ""))
        return response

    async def rpc(self, method: str, *params: object) -> Any:
        """The result of a call over the WebSocket, which is opened on first use. Tickets are exchanged."""
        if self.socket is None:
            url = self.url.replace("http", "ws", 1) + "/rpc"
            headers = {"Cookie": self.cookie}
            self.socket = await connect(url, additional_headers=headers, compression=None, open_timeout=60)
            assert self.socket.response is not None
            self._keep(self.socket.response.headers.get("Set-Cookie", ""))
        await self.socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
        async for text in self.socket:
            message = json.loads(text)
            if message.get("method") == "rpc.session":
                assert (await self.http("/rpc/session", message["params"])).code == 204
            elif "id" in message:
                return message["result"]
        raise AssertionError(f"closed: {self.socket.close_code} {self.socket.close_reason}")

    async def who(self) -> dict[str, Any]:
        """Who this is over HTTP, which must be who it is over WebSocket."""
        over_http = json.loads((await self.http("/who")).body)
        assert over_http == await self.rpc("account.who")
        assert isinstance(over_http, dict)
        return over_http

    def _keep(self, header: str) -> None:
        for name, morsel in SimpleCookie(header).items():
            self.cookie = f"{name}={morsel.coded_value}" if morsel["max-age"] != "0" else ""


@pytest.mark.gen_test
async def test_it_serves_the_page_and_what_belongs_to_it(free_port: int) -> None:
    with serve(free_port) as process:
        async with Visitor(process.url) as visitor:
            page = await visitor.http("/")
            assert page.code == 200
            assert b"<title>rpc_sessions</title>" in page.body
            parts = ("/style.css", "/icon.svg", "/js/main.js", "/rpc/client.js", "/healthz", "/readyz")
            assert [(await visitor.http(path)).code for path in parts] == [200] * len(parts)
            assert (await visitor.http("/app.py")).code == 404
            assert visitor.cookie == ""  # nobody who only looks gets one
        assert process.stop() == 0


@pytest.mark.gen_test
async def test_both_sides_share_a_session(free_port: int) -> None:
    with serve(free_port) as process:
        async with Visitor(process.url) as visitor:
            await visitor.rpc("account.login", "ada")
            await visitor.http("/cart", {"item": "apple", "by": 2})
            await visitor.rpc("cart.add", "apple")
            who = await visitor.who()
            assert (who["user"], who["store"], who["cart"]) == ("ada", "memory", {"apple": 3})
            lives = datetime.fromisoformat(who["expires"]) - datetime.fromisoformat(who["created"])
            assert abs(lives - timedelta(days=30)) < timedelta(seconds=30)
            assert await visitor.rpc("orders.place") == 1
            assert await visitor.rpc("orders.history") == [{"apple": 3}]
            await visitor.http("/logout", {})
            assert (await visitor.who())["user"] is None


@pytest.mark.gen_test
async def test_the_page_learns_the_key_of_the_session_and_never_its_id(free_port: int) -> None:
    with serve(free_port) as process:
        async with Visitor(process.url) as visitor:
            nobody = await visitor.rpc("account.who")
            assert nobody["created"] is None
            said = [await visitor.rpc("account.login", "ada"), await visitor.rpc("cart.add", "apple")]
            said += [json.loads((await visitor.http("/cart", {"item": "apple"})).body), await visitor.who()]
        id = unquote(visitor.cookie).partition("s:")[2].partition(".")[0]
        assert len(id) > 40
        assert not [reply for reply in said if id[:8] in json.dumps(reply)]
        assert {reply["key"] for reply in said} == {sha256(id.encode()).hexdigest()[:12]}
        assert len({reply["created"] for reply in said}) == 1


@pytest.mark.gen_test
async def test_who_logs_out_before_anything_was_stored_still_has_one_session(free_port: int) -> None:
    with serve(free_port) as process:
        async with Visitor(process.url) as visitor:
            await visitor.rpc("account.logout")
            await visitor.http("/login", {"name": "ada"})
            assert (await visitor.who())["user"] == "ada"


@pytest.mark.gen_test
async def test_bad_input_gets_an_answer(free_port: int) -> None:
    with serve(free_port) as process:
        async with Visitor(process.url) as visitor:
            bad: list[tuple[str, Mapping[str, object]]] = [
                ("/login", {}),
                ("/login", {"name": " "}),
                ("/login", {"name": "x" * 41}),
                ("/login", {"name": 5}),
                ("/cart", {"item": "apple", "by": "2"}),
                ("/cart", {"item": "apple", "by": True}),
                ("/cart", {"item": None}),
            ]
            for path, body in bad:
                response = await visitor.http(path, body)
                assert (response.code, json.loads(response.body)["error"]["code"]) == (400, -32602), (path, body)
            for number in range(20):
                assert (await visitor.http("/cart", {"item": f"item {number}"})).code == 200
            assert (await visitor.http("/cart", {"item": "one too many"})).code == 400
            assert (await visitor.http("/cart", {"item": "item 1", "by": 10**30})).code == 200
            assert len((await visitor.who())["cart"]) == 20
            assert (await visitor.who())["cart"]["item 1"] == 99
            assert (await visitor.http("/cart")).code == 405


@pytest.mark.gen_test
async def test_a_restart_logs_nobody_out(free_port: int, mongo_uri: str, mongo_database: str) -> None:
    database = f"{mongo_uri.rstrip('/')}/{mongo_database}"
    with serve(free_port, MONGODB_URI=database) as process:
        async with Visitor(process.url) as visitor:
            await visitor.rpc("account.login", "ada")
            await visitor.http("/cart", {"item": "apple"})
        process.popen.kill()
        process.wait()
    with serve(free_port, MONGODB_URI=database) as process:
        async with Visitor(process.url, visitor.cookie) as again, Visitor(process.url) as another:
            who = await again.who()
            assert (await another.rpc("account.who"))["user"] is None
        assert (who["user"], who["cart"], who["store"]) == ("ada", {"apple": 1}, "mongodb")


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"PORT": "http"}, "PORT is a number"),
        ({"PORT": "70000"}, "PORT is a number"),
        ({"HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1"),
        ({"SESSION_SECRET": "short"}, "at least 16 characters"),
        ({"MONGODB_URI": "postgres://localhost"}, "mongodb://"),
        ({"RPC_SESSIONS_ENV": "production", "SESSION_SECRET": ""}, "secret"),
    ],
)
def test_what_it_cannot_start_with_is_one_sentence(
    start_process: StartProcess, free_port: int, env: dict[str, str], reason: str
) -> None:
    ours = {"PORT": str(free_port), "HOST": "", "MONGODB_URI": "", "SESSION_SECRET": SECRET}
    process = start_process(["-m", "server"], env={**ours, **env})
    assert process.wait() == 1
    assert reason in process.output
    assert "Traceback" not in process.output


def test_a_taken_port_is_told(start_process: StartProcess, free_port: int) -> None:
    with serve(free_port) as first:
        second = serve(free_port)
        second.port = None  # nothing to wait for
        second.start()
        assert second.wait() == 1
        assert f"cannot listen on 127.0.0.1:{free_port}" in second.output
        assert first.popen.poll() is None
        second.stop()


@pytest.mark.parametrize(
    ("uri", "database"),
    [
        ("mongodb://localhost", "app"),
        ("mongodb://localhost:27017/", "app"),
        ("mongodb://a:1,b:2/shop?replicaSet=r", "shop"),
        ("mongodb+srv://user:p%40ss@host/my%20shop", "my shop"),
        ("mongodb://localhost/?w=1", "app"),
    ],
)
def test_the_database_is_the_path_of_the_uri(uri: str, database: str) -> None:
    assert database_of(uri) == database


def test_the_server_is_made_without_touching_the_network() -> None:
    ss = make_server({"SESSION_SECRET": SECRET, "MONGODB_URI": "mongodb://127.0.0.1:1"})
    assert ss.session.store.name == "mongodb"
    assert ss.handlers()
