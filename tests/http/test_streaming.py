"""Replies in pieces: the session is stored before the first byte, and again at the end. Clients that leave."""

from __future__ import annotations

import asyncio
import gc

import pytest

from rpc_sessions import RequestHandler, Server
from tests.apps import MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.http.test_saving import SLOW, server
from tests.logs import Logs
from tests.session.steps import over_http, session_server
from tests.stores.doubles import WatchedStore
from tests.waiting import until


class Stream(RequestHandler):
    use = ["session"]

    async def get(self) -> None:
        self.req.session["first"] = 1
        self.write("first ")
        await self.flush()
        self.req.session["second"] = 2
        self.write("second ")
        await self.flush()
        self.write("third")


class StreamAtOnce(Stream):
    async def get(self) -> None:
        self.req.session["first"] = 1
        self.write("first ")
        self.flush()
        self.req.session["second"] = 2
        self.finish("second third")


class StreamThenFail(Stream):
    async def get(self) -> None:
        self.req.session["first"] = 1
        await self.flush()
        self.req.session["second"] = 2
        raise KeyError("boom")


class StreamBad(Stream):
    async def get(self) -> None:
        self.req.session["first"] = object()  # type: ignore[assignment]  # the mistake
        self.write("first")
        await self.flush()


class StreamTooLate(Stream):
    async def get(self) -> None:
        self.write("first")
        await self.flush()
        self.req.session["second"] = 2


def streaming(make_server: MakeServer, store: WatchedStore) -> Server:
    ss = session_server(make_server, store)
    for handler in (Stream, StreamAtOnce, StreamThenFail, StreamBad, StreamTooLate):
        ss.http.mount(f"/{handler.__name__}", handler)
    return ss


@pytest.mark.gen_test
async def test_a_stream_stores_before_its_first_byte_and_again_at_its_end(make_server: MakeServer) -> None:
    store = WatchedStore()
    async with serving(streaming(make_server, store)) as site:
        for path in ("Stream", "StreamAtOnce"):
            browser = Browser(site)
            stored: list[list[str]] = []
            store.forget()
            store.slow = SLOW
            response = await browser.get(
                f"/{path}", streaming_callback=lambda chunk, stored=stored: stored.append(store.writes)
            )
            store.slow = {}
            assert (response.code, len(set_cookies(response))) == (200, 1)
            assert stored[0][:1] == ["insert"], "the first byte left before the session was stored"
            assert await over_http(browser, dict) == {"first": 1, "second": 2}


@pytest.mark.gen_test
async def test_a_stream_that_fails_keeps_what_was_stored_at_its_first_byte(make_server: MakeServer, logs: Logs) -> None:
    async with serving(streaming(make_server, WatchedStore())) as site:
        browser = Browser(site)
        await browser.get("/StreamThenFail")
        assert await over_http(browser, dict) == {"first": 1}
        response = await Browser(site).get("/StreamBad")
        assert (response.code, set_cookies(response)) == (500, [])
    logs.take("boom|first|500 GET|Cannot send error")


@pytest.mark.gen_test
async def test_a_session_first_written_behind_the_headers_is_said_to_be_lost(
    make_server: MakeServer, logs: Logs
) -> None:
    async with serving(streaming(make_server, WatchedStore())) as site:
        response = await Browser(site).get("/StreamTooLate")
        assert (response.code, set_cookies(response)) == (200, [])
    logs.take("after the headers had left")


@pytest.mark.gen_test
async def test_a_client_that_leaves_before_the_reply_does_no_harm(make_server: MakeServer, logs: Logs) -> None:
    store = WatchedStore()
    async with serving(server(make_server, store)) as site:
        store.slow = {"insert": 0.1}
        for number, path in enumerate(("Written", "RaisedFinish", "FinishedAndLeft", "redirect"), 1):
            _, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            await writer.drain()
            await until(lambda number=number: len(store.writes) == number)  # type: ignore[misc]  # it takes no arguments
            writer.transport.abort()
        await until(lambda: store.writes == ["insert"] * 4)
        await until(lambda: not site.ss._ready().requests)  # or the server waits for a request that is over
    gc.collect()  # a task whose exception nobody took complains when it goes
    assert not logs.unexpected
