"""The store goes away and comes back: nothing is overwritten, nobody is anonymous, no restart is needed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tornado.httpclient import HTTPResponse
from websockets.exceptions import InvalidStatus

from rpc_sessions import RPCError, Server, Session, StoreUnavailable
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.session.steps import over_http, over_post, over_socket, session_server
from tests.stores.doubles import WatchedStore
from tests.stores.mongo_process import MongoProcess
from tests.wire import Socket


async def log_in(session: Session) -> None:
    session["cart"] = {"tea": 2}
    await session.set_user_id("ada")


def who(session: Session) -> tuple[str | None, dict[str, Any]]:
    return session.user_id, dict(session)


ADA = ("ada", {"cart": {"tea": 2}})


async def refused(browser: Browser, socket: Socket, ss: Server) -> None:
    """Whatever is asked for is refused with the right code, and no step runs."""

    def never(session: Session) -> None:
        raise AssertionError("a session was made up")

    for call in (over_socket(socket, ss, never), over_post(browser, never), over_http(browser, never)):
        with pytest.raises(RPCError) as caught:
            await call
        assert (caught.value.code, caught.value.message) == (-32010, "Session store unavailable")
    with pytest.raises(InvalidStatus) as handshake:
        async with browser.socket():
            pass
    assert handshake.value.response.status_code == 503


async def status(browser: Browser, path: str) -> tuple[int, bytes]:
    response = await browser.get(path)
    return response.code, response.body


def mongo_server(make_server: MakeServer, process: MongoProcess) -> Server:
    ss = session_server(make_server)
    ss.session.store.use("mongodb", uri=process.hasty_uri)
    return ss


@pytest.mark.gen_test
async def test_mongodb_goes_and_comes_back(make_server: MakeServer, mongo_process: MongoProcess, logs: Logs) -> None:
    mongo_process.start()
    async with serving(mongo_server(make_server, mongo_process)) as site:
        ss, browser = site.ss, Browser(site)
        await over_http(browser, log_in)
        cookie = browser.cookie
        async with browser.socket() as socket:
            assert await over_socket(socket, ss, who) == ADA
            assert await status(browser, "/readyz") == (200, b'{"status":"ok"}')

            mongo_process.crash()
            await refused(browser, socket, ss)
            assert await status(browser, "/readyz") == (503, b'{"status":"session store unavailable"}')
            assert (await browser.get("/healthz")).code == 200
            assert browser.cookie == cookie, "the cookie was taken away"

            mongo_process.start()
            await ready(browser)
            for call in (over_socket(socket, ss, who), over_post(browser, who), over_http(browser, who)):
                assert await call == ADA
            async with browser.socket() as another:
                assert await over_socket(another, ss, who) == ADA
    logs.take("503 (GET|POST)")


async def ready(browser: Browser) -> None:
    while (await browser.get("/readyz")).code != 200:  # noqa: ASYNC110 (as a load balancer does)
        await asyncio.sleep(0.05)


@pytest.mark.gen_test
async def test_mongodb_goes_while_a_call_is_under_way(
    make_server: MakeServer, mongo_process: MongoProcess, logs: Logs
) -> None:
    async def change_without(session: Session) -> None:
        session["cart"] = {"tea": 3}
        mongo_process.crash()
        for attempt in (session.save, session.regenerate, session.destroy, session.load):
            with pytest.raises(RPCError) as caught:
                await attempt()
            assert caught.value.code == -32010
        assert session.changed
        assert session["cart"] == {"tea": 3}
        mongo_process.start()
        while True:  # the same session object can be saved when the store is back
            try:
                await session.save()
                return
            except RPCError:
                await asyncio.sleep(0.05)

    mongo_process.start()
    async with serving(mongo_server(make_server, mongo_process)) as site:
        browser = Browser(site)
        await over_http(browser, log_in)
        async with browser.socket() as socket:
            await over_socket(socket, site.ss, change_without)
            assert await over_socket(socket, site.ss, who) == ("ada", {"cart": {"tea": 3}})
        assert await over_http(browser, who) == ("ada", {"cart": {"tea": 3}})


@pytest.mark.gen_test
async def test_mongodb_is_down_at_start(make_server: MakeServer, mongo_process: MongoProcess, logs: Logs) -> None:
    async with serving(mongo_server(make_server, mongo_process)) as site:
        browser = Browser(site)
        with pytest.raises(RPCError) as caught:
            await over_http(browser, log_in)
        assert caught.value.code == -32010
        assert browser.cookie == ""
        assert (await browser.get("/readyz")).code == 503
        async with browser.socket() as socket:  # nobody yet: there is no session to be read
            with pytest.raises(RPCError) as caught:
                await over_socket(socket, site.ss, log_in)
            assert caught.value.code == -32010
        mongo_process.start()
        await ready(browser)
        await over_http(browser, log_in)
        assert await over_http(browser, who) == ADA
    logs.take("503 (GET|POST)")


@pytest.mark.gen_test
async def test_a_restart_of_the_server_logs_nobody_out(make_server: MakeServer, mongo_process: MongoProcess) -> None:
    mongo_process.start()
    async with serving(mongo_server(make_server, mongo_process)) as site:
        browser = Browser(site)
        await over_http(browser, log_in)
    async with serving(mongo_server(make_server, mongo_process)) as site:
        returning = Browser(site, browser.cookie)
        assert await over_http(returning, who) == ADA
        async with returning.socket() as socket:
            assert await over_socket(socket, site.ss, who) == ADA


WRITES = {
    "save": lambda session: session.save(),
    "touch": lambda session: session.write_touch(),
    "regenerate": lambda session: session.regenerate(),
    "drop": lambda session: session.regenerate(keep=False),
    "log in": lambda session: session.set_user_id("eve"),
    "log out": lambda session: session.set_user_id(None),
    "destroy": lambda session: session.destroy(),
    "subscribe": lambda session: session.channel.subscribe("news"),
    "mutate": lambda session: session.mutate(lambda session: session.update(n=1)),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("fails_at", range(1, 4))
@pytest.mark.gen_test
async def test_a_write_that_fails_halfway_loses_nothing(make_server: MakeServer, write: Any, fails_at: int) -> None:
    """Whichever request to the store is the first that fails: the user is logged in, with the cart, or may retry."""
    store = WatchedStore()
    async with serving(session_server(make_server, store, touch_after=0)) as site:
        browser = Browser(site)
        await over_http(browser, log_in)

        async def attempt(session: Session) -> None:
            session["extra"] = 1
            store.fail_after = fails_at - 1
            try:
                await write(session)
            except StoreUnavailable:
                store.fail_after = None
                await write(session)
            store.fail_after = None

        async with browser.socket() as socket:
            await over_socket(socket, site.ss, attempt)
            user_id, values = await over_socket(socket, site.ss, who)
            if write is not WRITES["destroy"]:
                assert values.get("cart") == (None if write is WRITES["drop"] else {"tea": 2})
                assert user_id == {WRITES["log in"]: "eve", WRITES["log out"]: None, WRITES["drop"]: None}.get(
                    write, "ada"
                )


async def _response(browser: Browser) -> HTTPResponse:
    return await browser.get("/do?step=x")


@pytest.mark.gen_test
async def test_the_reply_that_says_so_sets_no_cookie(make_server: MakeServer, logs: Logs) -> None:
    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, log_in)
        store.down = True
        response = await _response(browser)
        assert (response.code, set_cookies(response)) == (503, [])
    logs.take("503 (GET|POST)")
