"""POST /rpc: the same calls over plain HTTP, with the statuses that HTTP has for what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse

from rpc_sessions import Server
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.stores.doubles import WatchedStore
from tests.wire import JSON_TYPE, notification, post, request

APP = {
    "rpc/app.py": """
        import asyncio

        def actions(req, res, ss):
            req.use("session")

            async def put(name, value):
                await asyncio.sleep(0.01)
                req.session[name] = value
                return name

            async def get():
                return dict(req.session)

            async def fail():
                req.session["failed"] = True
                raise KeyError("secret boom")

            return put, get, fail
    """,
    "rpc/plain.py": """
        def actions(req, res, ss):
            async def echo(value):
                return value

            async def who():
                return [req.transport, req.socket_id, req.client_ip, req.headers["X-Name"]]

            return echo, who
    """,
}


def server(make_server: MakeServer, store: WatchedStore | None = None, **options: object) -> Server:
    ss = make_server(APP, **options)
    ss.session.store.use(store or WatchedStore())
    return ss


def headers_of(response: HTTPResponse) -> tuple[str, str]:
    return response.headers["Content-Type"], response.headers["X-Content-Type-Options"]


@pytest.mark.gen_test
async def test_a_call(make_server: MakeServer) -> None:
    async with serving(server(make_server)) as site:
        response = await post(site, request("plain.echo", ["é"], "id"))
        assert (response.code, json.loads(response.body)) == (200, {"jsonrpc": "2.0", "result": "é", "id": "id"})
        assert headers_of(response) == ("application/json", "nosniff")
        assert set_cookies(response) == []
        response = await post(site, request("plain.who"), {**JSON_TYPE, "X-Name": "ada"})
        assert json.loads(response.body)["result"] == ["http", "", "127.0.0.1", "ada"]


@pytest.mark.parametrize(
    ("type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=application/json", 415),
        ("application/json-rpc", 415),
        ("text/plain; application/json", 415),
        ("text/plain, application/json", 415),
        ("", 415),
    ],
)
@pytest.mark.gen_test
async def test_only_json_is_taken(type: str, status: int, make_server: MakeServer) -> None:
    """What a form of another site can send without being asked is never a call."""
    store = WatchedStore()
    async with serving(server(make_server, store)) as site:
        response = await post(site, request("app.put", ["a", 1]), {"Content-Type": type})
        assert response.code == status
        assert store.calls == ([] if status == 415 else ["insert"])
        if status == 415:
            assert json.loads(response.body)["error"]["code"] == -32700


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 200, -32700),
        ("{", 200, -32700),
        (b"\xff\xfe", 200, -32700),
        ("[]", 200, -32600),
        ("5", 200, -32600),
        (request("app.none"), 200, -32601),
        (request("plain.echo"), 200, -32602),
    ],
)
@pytest.mark.gen_test
async def test_an_error_is_a_reply(body: str | bytes, status: int, code: int, make_server: MakeServer) -> None:
    async with serving(server(make_server)) as site:
        response = await post(site, body)
        assert (response.code, json.loads(response.body)["error"]["code"]) == (status, code)
        assert headers_of(response) == ("application/json", "nosniff")


@pytest.mark.parametrize("body", [notification("plain.echo", [1]), notification("app.none"), f"[{notification('x')}]"])
@pytest.mark.gen_test
async def test_notifications_are_answered_204(body: str, make_server: MakeServer) -> None:
    async with serving(server(make_server)) as site:
        response = await post(site, body)
        assert (response.code, response.body) == (204, b"")


@pytest.mark.gen_test
async def test_a_notification_can_write_the_session(make_server: MakeServer) -> None:
    async with serving(server(make_server)) as site:
        browser = Browser(site)
        response = await browser.fetch("/rpc", "POST", notification("app.put", ["a", 1]), headers=JSON_TYPE)
        assert (response.code, len(set_cookies(response))) == (204, 1)
        assert await browser.rpc("app.get") == {"a": 1}


@pytest.mark.gen_test
async def test_the_session_is_saved_by_itself_and_its_cookie_set(make_server: MakeServer, logs: Logs) -> None:
    store = WatchedStore()
    store.slow = {"insert": 0.05, "replace": 0.05}
    async with serving(server(make_server, store)) as site:
        browser = Browser(site)

        async def call(method: str, *params: object) -> tuple[Any, int]:
            response = await browser.fetch("/rpc", "POST", request(method, params), headers=JSON_TYPE)
            assert response.code == 200
            return json.loads(response.body).get("result"), len(set_cookies(response))

        assert await call("app.get") == ({}, 0)
        assert await call("app.put", "a", 1) == ("a", 1)
        id = browser.id
        assert await call("app.get") == ({"a": 1}, 0)
        assert await call("app.put", "a", 1) == ("a", 0), "nothing changed"
        assert await call("app.put", "a", 2) == ("a", 1), "the expiry was pushed out"
        assert await call("app.fail") == (None, 0)
        assert await call("app.get") == ({"a": 2}, 0)
        assert browser.id == id
    logs.take("secret boom")


@pytest.mark.parametrize("first", [True, False], ids=["first visit", "later visit"])
@pytest.mark.gen_test
async def test_all_session_writers_of_a_batch_are_kept(first: bool, make_server: MakeServer) -> None:
    async with serving(server(make_server)) as site:
        browser = Browser(site)
        if not first:
            await browser.rpc("app.put", "z", 0)
        calls = [request("app.put", [name, 1], name) for name in "abc"] + [notification("app.put", ["d", 1])]
        response = await browser.fetch("/rpc", "POST", f"[{','.join(calls)}]", headers=JSON_TYPE)
        assert sorted(reply["result"] for reply in json.loads(response.body)) == ["a", "b", "c"]
        assert len(set_cookies(response)) == 1
        expected = dict.fromkeys("abcd", 1)
        assert await browser.rpc("app.get") == (expected if first else {"z": 0, **expected})


@pytest.mark.gen_test
async def test_a_store_that_is_away_is_503(make_server: MakeServer, logs: Logs) -> None:
    store = WatchedStore()
    async with serving(server(make_server, store)) as site:
        browser = Browser(site)
        await browser.rpc("app.put", "a", 1)
        store.down = True
        response = await browser.fetch("/rpc", "POST", request("app.get", (), 7), headers=JSON_TYPE)
        assert (response.code, set_cookies(response)) == (503, [])
        assert json.loads(response.body) == {
            "jsonrpc": "2.0", "error": {"code": -32010, "message": "Session store unavailable"}, "id": 7,
        }  # fmt: skip
        batch = f"[{request('plain.echo', [1], 1)},{request('app.get', [], 2)}]"
        response = await browser.fetch("/rpc", "POST", batch, headers=JSON_TYPE)
        replies = {reply["id"]: reply for reply in json.loads(response.body)}
        assert response.code == 200, "one call of the batch was answered"
        assert (replies[1]["result"], replies[2]["error"]["code"]) == (1, -32010)
        assert (await browser.fetch("/rpc", "POST", request("plain.echo", [1]), headers=JSON_TYPE)).code == 200
        value = {"error": {"code": -32010, "message": "as a result"}}
        response = await browser.fetch("/rpc", "POST", request("plain.echo", [value]), headers=JSON_TYPE)
        assert (response.code, json.loads(response.body)["result"]) == (200, value)
        store.down = False
        assert await browser.rpc("app.get") == {"a": 1}
    logs.take("503 POST")
