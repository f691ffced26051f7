"""Whatever goes wrong in a call, a route or a handshake, the log says it without secrets."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets import ConnectionClosed, InvalidStatus

from rpc_sessions import HTTPRequest, HTTPResponse, RequestHandler, Session
from tests.apps import SECRET, MakeServer, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.security.leaks import VALUE, Secrets, anyway
from tests.security.people import destroy, log_in, log_out, regenerate
from tests.session.steps import Step, look, over_http, over_post, over_socket, put, session_server
from tests.stores.doubles import WatchedStore
from tests.wire import JSON_TYPE, notification


def fail(session: Session) -> None:
    raise RuntimeError("a mistake in the application")


async def spoil(session: Session) -> None:
    session["odd"] = {VALUE: object()}  # type: ignore[dict-item]  # that is the mistake
    try:
        await session.save()
    except TypeError as error:
        raise RuntimeError from error


async def write_behind_the_end(session: Session) -> None:
    await session.destroy()
    session["late"] = VALUE
    await session.save()


async def take_long(session: Session) -> None:
    await asyncio.sleep(0.3)


STEPS = [fail, spoil, write_behind_the_end, take_long, log_in, log_out, regenerate, destroy]


async def by_websocket(browser: Browser, step: Step) -> Any:
    async with browser.socket() as socket:
        return await over_socket(socket, browser.site.ss, step)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", [over_http, over_post, by_websocket])
@pytest.mark.gen_test
async def test_what_goes_wrong_in_a_call(step: Step, way: Any, make_server: MakeServer, no_leaks: Secrets) -> None:
    ss = session_server(make_server)
    ss.options.call_deadline = 0.2
    async with serving(ss) as site:
        ada = Browser(site)
        await over_http(ada, no_leaks.meeting(put(password=VALUE)))
        for each in (step, look):
            no_leaks.meet_cookie(ada)
            await anyway(way(ada, no_leaks.meeting(each)))


@pytest.mark.gen_test
async def test_a_store_that_is_away(make_server: MakeServer, logs: Logs, no_leaks: Secrets) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        ada = Browser(site)
        await over_http(ada, put(password=VALUE))
        async with ada.socket() as socket:
            await over_socket(socket, site.ss, no_leaks.meeting(log_in))
            ticket = socket.events[0]["params"]["ticket"]
            no_leaks.meet(ticket)
            no_leaks.meet_cookie(ada)
            store.down = True
            await anyway(over_http(ada, look), over_post(ada, look), ada.redeem(ticket))
            await anyway(over_socket(socket, site.ss, put(b=1)), socket.result("rpc.ticket"))
            with pytest.raises(InvalidStatus):
                await by_websocket(ada, look)
    assert len(logs.take("unavailable|503")) > 5


@pytest.mark.gen_test
async def test_nonsense_with_secrets_in_it(make_server: MakeServer, no_leaks: Secrets) -> None:
    ss = session_server(make_server)
    ss.options.message_limit = 2000
    async with serving(ss) as site:
        ada = Browser(site)
        await over_http(ada, put(password=VALUE))
        no_leaks.meet_cookie(ada)
        id, elsewhere = ada.id, {"Origin": "http://evil.example"}
        for body in (f'{{"{id}"', json.dumps([id] * 2), json.dumps({"method": id}), f"{id}" * 100):
            for path in ("/rpc", "/rpc/session", "/do"):
                await ada.fetch(path, "POST", body, headers=JSON_TYPE)
                await ada.fetch(path, "POST", body, headers=JSON_TYPE | elsewhere)
            async with ada.socket() as socket:
                try:
                    for text in (body, notification(str(id))):
                        await socket.send(text)
                    await socket.reply(0.1)
                except (ConnectionClosed, TimeoutError):
                    pass
        for cookie in (f"{ada.cookie}x", ada.cookie[:-1], f"connect.sid={id}"):
            await anyway(over_http(Browser(site, cookie), look))


@pytest.mark.gen_test
async def test_tickets(make_server: MakeServer, no_leaks: Secrets) -> None:
    async with serving(session_server(make_server)) as site:
        ada = Browser(site)
        await over_http(ada, put(password=VALUE))
        async with ada.socket() as socket:
            await over_socket(socket, site.ss, no_leaks.meeting(log_in))
            ticket = socket.events[0]["params"]["ticket"]
        no_leaks.meet(ticket)
        for _ in range(2):
            no_leaks.meet_cookie(ada)
            await ada.redeem(ticket)
            await ada.redeem(ticket + "x")


class Streaming(RequestHandler):
    """Writes its session when the headers have left."""

    use = ("session",)

    async def get(self) -> None:
        self.write("begun")
        await self.flush()
        self.req.session["password"] = VALUE


@pytest.mark.gen_test
async def test_what_goes_wrong_in_a_route(make_server: MakeServer, logs: Logs, no_leaks: Secrets) -> None:
    ss = make_server({})
    ss.http.mount("/streaming", Streaming)

    @ss.http.route("/header")
    async def header(req: HTTPRequest, res: HTTPResponse) -> None:
        req.session["password"] = VALUE
        no_leaks.meet(req.session.id)
        res.header("X-Odd", "a\r\nb")

    @ss.http.route("/twice")
    async def twice(req: HTTPRequest, res: HTTPResponse) -> str:
        res.end(VALUE)
        return VALUE

    async with serving(ss) as site:
        ada = Browser(site)
        for path in ("/streaming", "/header", "/twice"):
            await ada.get(path)
            no_leaks.meet_cookie(ada)
    for words in ("the headers had left", "X-Odd cannot hold", "answered a second time|after it had answered"):
        assert logs.take(words)


@pytest.mark.gen_test
async def test_what_prints_itself(make_server: MakeServer) -> None:
    """Whoever logs a session, or the options, logs no secret."""
    ss = session_server(make_server)
    session = await ss.session.create({"a": 1}, user_id="ada")
    texts = [repr(thing) for thing in (session, session.claim, session.peer, ss.session.options, ss.session)]
    assert "connect.sid" in texts[3]
    assert not [text for text in texts for secret in (session.id, SECRET) if secret in text]
