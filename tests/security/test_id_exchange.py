"""The session id comes in the cookie and goes out in Set-Cookie: nowhere else is it looked for, or shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from websockets.asyncio.client import connect

from rpc_sessions.session.cookie import sign
from tests.apps import SECRET, MakeServer, serving
from tests.http.browser import Browser
from tests.security.people import ADA, NOBODY, destroy, log_in, log_out, logged_in, regenerate
from tests.session.steps import Registered, Step, look, over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore
from tests.wire import JSON_TYPE, Socket, request

PLACES: dict[str, dict[str, Any]] = {
    "query": {"query": "&connect.sid={value}&sid={id}&session_id={value}&jsessionid={id}"},
    "form": {"body": "connect.sid={value}&sid={id}", "type": "application/x-www-form-urlencoded"},
    "body": {"body": '{{"connect.sid": "{value}", "session_id": "{id}"}}', "type": "application/json"},
    "Authorization": {"headers": {"Authorization": "Bearer {value}"}},
    "headers of its name": {"headers": {"connect.sid": "{value}", "X-Session-Id": "{value}", "X-Auth-Token": "{id}"}},
    "Cookie2": {"headers": {"Cookie2": "connect.sid={value}"}},
    "Set-Cookie": {"headers": {"Set-Cookie": "connect.sid={value}"}},
    "cookie of another name": {"headers": {"Cookie": "session={value}; sid={value}; id={id}; connect-sid={value}"}},
    "id without signature": {"headers": {"Cookie": "connect.sid={id}"}},
}


def filled(texts: Any, victim: Browser) -> Any:
    """With the victim's id and cookie put in."""
    if isinstance(texts, dict):
        return {name: filled(text, victim) for name, text in texts.items()}
    return texts.format(id=victim.id, value=victim.cookie.partition("=")[2])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.gen_test
async def test_an_id_anywhere_but_in_the_cookie_is_ignored(place: str, make_server: MakeServer) -> None:
    store = WatchedStore()
    ss = session_server(make_server, store)
    async with serving(ss) as site:
        ada, step = await logged_in(site), Registered(ss, look)
        store.forget()
        spec = filled(PLACES[place], ada)
        body, headers = spec.get("body"), {"Content-Type": spec.get("type", "text/plain"), **spec.get("headers", {})}
        path = f"/do?step={step.name}{spec.get('query', '')}"
        await Browser(site).fetch(path, "POST" if body else "GET", body, headers=headers)
        assert step.result(None) == NOBODY
        assert store.keys_asked == []
        assert await over_http(ada, look) == ADA, "the id is a good one"


CALLS: dict[str, Callable[[str], str]] = {
    "a param": lambda value: request("app.look", [value]),
    "a named param": lambda value: request("app.look", {"session": value}),
    "a member": lambda value: request("app.look", [""])[:-1] + f', "session": "{value}", "connect.sid": "{value}"}}',
    "the id of the call": lambda value: request("app.look", [""], value),
}
LOOK = """
    def actions(req, res, ss):
        req.use("session")

        async def look(session):
            return [req.session.user_id, dict(req.session)]

        return [look]
"""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.gen_test
async def test_an_id_in_a_call_is_ignored(call: Callable[[str], str], make_server: MakeServer) -> None:
    ss = make_server({"rpc/app.py": LOOK})
    async with serving(ss) as site:
        session = await ss.session.create({"cart": [1]}, user_id="ada")
        for value in (session.id, sign(session.id, SECRET)):
            response = await Browser(site).fetch("/rpc", "POST", call(value), headers=JSON_TYPE)
            assert json.loads(response.body)["result"] == [None, {}]
            async with Browser(site).socket() as socket:
                await socket.send(call(value))
                assert (await socket.reply())["result"] == [None, {}]
        ada = Browser(site, f"connect.sid={value}")
        assert await ada.rpc("app.look", "") == ["ada", {"cart": [1]}], "the id is a good one"


@pytest.mark.gen_test
async def test_a_handshake_takes_it_from_the_cookie_alone(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        ada = await logged_in(site)
        value = ada.cookie.partition("=")[2]
        headers = {"Authorization": f"Bearer {value}", "Sec-WebSocket-Protocol": str(ada.id), "X-Session-Id": value}
        query = f"?connect.sid={value}&token={ada.id}"
        async with connect(site.ws + query, additional_headers=headers) as connection:
            assert await over_socket(Socket(connection), site.ss, look) == NOBODY
        async with ada.socket() as socket:
            assert await over_socket(socket, site.ss, look) == ADA


class Page:
    """What a page can see: bodies, headers but Set-Cookie (it is HttpOnly), and what comes over its WebSockets."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.seen: list[str] = []

    async def fetch(self, path: str, value: object) -> HTTPResponse:
        response = await self.browser.post_json(path, value)
        self.seen += [f"{name}: {text}" for name, text in response.headers.get_all() if name != "Set-Cookie"]
        self.seen.append(response.body.decode())
        return response

    async def receive(self, socket: Socket) -> Any:
        message = await socket.receive()
        self.seen.append(json.dumps(message))
        return message


@pytest.mark.parametrize("step", [log_in, log_out, regenerate, destroy])
@pytest.mark.gen_test
async def test_a_page_never_sees_an_id(step: Step, make_server: MakeServer) -> None:
    ss = session_server(make_server, notify_changes=True)
    ids: set[str] = set()
    async with serving(ss) as site:
        ada = await logged_in(site)
        page = Page(ada)
        async with ada.socket() as socket, ada.socket() as tab:
            for each in (put(n=1), step, put(n=2)):
                await socket.begin("s.do", Registered(ss, each).name)
                while "method" in (message := await page.receive(socket)):
                    assert (await page.fetch("/rpc/session", message["params"])).code == 204
                await over_socket(socket, ss, lambda session: ids.add(session.id))
            await socket.begin("rpc.ticket")
            await page.receive(socket)
            await page.fetch("/do?step=" + Registered(ss, put(n=3)).name, {})
            await page.fetch("/rpc", json.loads(request("s.do", [Registered(ss, put(n=4)).name])))
            assert (await page.receive(tab))["method"] == "rpc.session" if step != destroy else await tab.closed()
        assert len(ids) == 2
        assert ada.id in ids
        assert len(page.seen) > 20
        assert not [text for text in page.seen for id in ids if id in text]
