"""Clients that go, early, in the middle and late; handlers that take the connection; a server that stops."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
import tornado.web

from rpc_sessions.transport import fast_http
from tests.apps import MakeServer, serving
from tests.http.fast.handlers import Told, handler, mounted
from tests.http.fast.raw import body_of, get, post, raw, settled
from tests.waiting import until

Handler = tornado.web.RequestHandler


@pytest.mark.parametrize("method", ["write", "stream"])
@pytest.mark.gen_test
async def test_a_handler_is_told_once_that_its_client_has_gone(make_server: MakeServer, method: str) -> None:
    told = Told()
    ss = mounted(make_server({}), getattr(told, method), on_connection_close=told.closed)
    async with serving(ss) as site, raw(site.port, get()) as client:
        await told.gate.reached()
        client.drop()
        await until(lambda: "closed" in told.events)
        told.gate.let_go()
        await until(lambda: "nobody reads" in told.events)
        await settled([])
    assert told.events == ["waits", "closed", "goes on", "nobody reads"]


@pytest.mark.gen_test
async def test_nobody_is_told_when_the_reply_is_complete(make_server: MakeServer) -> None:
    told = Told()
    ss = mounted(make_server({}), lambda self: self.finish("a"), on_connection_close=told.closed)
    async with serving(ss) as site:
        async with raw(site.port, get(), get()) as client:
            await client.replies(2)
        await settled([])
    assert told.events == []


@pytest.mark.gen_test
async def test_who_sends_on_and_goes_is_noticed(make_server: MakeServer, way: str) -> None:
    """Tornado reads no further than what it has, and does not see the end behind it."""
    told = Told()
    ss = mounted(make_server({}), told.write, on_connection_close=told.closed)
    async with serving(ss) as site, raw(site.port, get()) as client:
        await told.gate.reached()
        await client.send(get())
        client.drop()
        await settled([])
        assert told.events == (["waits"] if way == "tornado" else ["waits", "closed"])
        told.gate.let_go()
        await settled([])


@pytest.mark.gen_test
async def test_who_ends_sending_is_answered_by_who_answers_at_once(make_server: MakeServer) -> None:
    told = Told()
    ss = mounted(make_server({}), told.write, on_connection_close=told.closed)
    async with serving(ss) as site:
        async with raw(site.port, get("/nothing")) as client:
            client.end_sending()
            assert (await client.rest()).startswith(b"HTTP/1.1 404")
        async with raw(site.port, get()) as client:
            await told.gate.reached()
            client.end_sending()
            assert await client.rest() == b""
        assert told.events == ["waits", "closed"]
        told.gate.let_go()
        await until(lambda: told.events[-1] == "nobody reads")


@pytest.mark.gen_test
async def test_who_goes_at_once_does_no_harm(make_server: MakeServer) -> None:
    async with serving(make_server({})) as site:
        for pieces in ((), (get("/nothing"),), (get()[:10],), (post("/x", b"a")[:-1],), (get(), get())):
            for _ in range(20):
                async with raw(site.port, *pieces):
                    pass
        async with raw(site.port, get("/nothing")) as client:
            assert (await client.reply()).startswith(b"HTTP/1.1 404")


# -- a handler that takes the body in pieces ---------------------------------------------------------


@pytest.mark.gen_test
async def test_a_prepare_that_answers_ends_the_connection(make_server: MakeServer) -> None:
    told = Told()

    async def prepare(self: Handler) -> None:
        await asyncio.sleep(0)
        self.finish("early")
        await asyncio.sleep(0)
        told.events.append("prepared")

    ss = mounted(make_server({}), told.write, streamed=True, prepare=prepare, on_connection_close=told.closed)
    async with serving(ss) as site, raw(site.port, get()) as client:
        assert (await client.rest()).count(b"early") == 1
        await until(lambda: len(told.events) > 1)
    assert told.events == ["prepared", "closed"]


@pytest.mark.gen_test
async def test_a_client_that_goes_during_prepare_does_not_hold_the_handler_up(make_server: MakeServer) -> None:
    told = Told()
    ss = mounted(make_server({}), lambda self: told.events.append("get"), streamed=True, prepare=told.wait)
    async with serving(ss) as site, raw(site.port, get()) as client:
        await told.gate.reached()
        client.drop()
        await settled([])
        told.gate.let_go()
        await until(lambda: "get" in told.events)
    assert told.events == ["waits", "goes on", "get"]


@pytest.mark.parametrize("answers", [False, True])
@pytest.mark.gen_test
async def test_a_client_that_goes_during_prepare_is_told_of_at_most_once(
    make_server: MakeServer, answers: bool, way: str
) -> None:
    told = Told()

    async def prepare(self: Handler) -> None:
        await told.gate()
        if answers:
            self.finish("early")

    def method(self: Handler) -> None:
        self._auto_finish = False
        told.events.append("get")

    ss = mounted(make_server({}), method, streamed=True, prepare=prepare, on_connection_close=told.closed)
    async with serving(ss) as site, raw(site.port, get()) as client:
        await told.gate.reached()
        client.drop()
        await settled([])
        told.gate.let_go()
        await settled([])
    if way == "tornado" and told.events == ["get"]:
        return  # it has not looked
    assert told.events == (["closed"] if answers else ["get", "closed"])


# -- the end of the server ---------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_stop_ends_what_runs_and_what_is_idle(make_server: MakeServer) -> None:
    told = Told()
    ss = mounted(make_server({}), told.write, on_connection_close=told.closed)
    ss.http.mount("/big", handler(lambda self: self.write(bytes(12_000_000))))
    async with serving(ss) as site, AsyncExitStack() as stack:
        new = (
            raw(site.port),
            raw(site.port, get("/nothing"), post("/nothing", b"")),
            raw(site.port, get()),
            raw(site.port),
        )
        fresh, idle, busy, unread = [await stack.enter_async_context(client) for client in new]
        await asyncio.gather(told.gate.reached(), idle.replies(2))
        unread.pause()
        await unread.send(get("/big"))
        await settled([])
        await ss.stop(drain=0)
        await until(lambda: fresh.over and idle.over and busy.over)
        unread.resume()
        await until(lambda: unread.over)
        assert len(unread.received) < 12_000_000
        assert (told.events, bytes(busy.received)) == (["waits", "closed"], b"")
        with pytest.raises(ConnectionError):
            await raw(site.port).__aenter__()
        told.gate.let_go()
        await until(lambda: told.events[-1] == "nobody reads")


@pytest.mark.gen_test
async def test_who_is_silent_for_long_is_not_kept(
    make_server: MakeServer, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "tornado":
        return  # that is Tornado's own business
    monkeypatch.setattr(fast_http, "IDLE", 0.3)
    told = Told()
    ss = mounted(make_server({}), told.write)
    ss.http.mount("/big", handler(lambda self: self.write(bytes(12_000_000))))
    async with serving(ss) as site, raw(site.port, get()) as busy, raw(site.port) as idle, raw(site.port) as slow:
        slow.pause()
        await slow.send(get("/big"))
        await until(lambda: idle.over)
        await asyncio.sleep(0.5)
        assert not busy.over
        told.gate.let_go()
        slow.resume()
        assert body_of(await busy.reply()) == b"written"
        assert len(body_of(await slow.reply())) == 12_000_000
        await until(lambda: busy.over and slow.over)
