"""What a session costs to read: calls of one socket share a load, and may take a copy."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import pytest

from rpc_sessions import ConfigError, RPCError, Session
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.session.lines import line
from tests.session.steps import look, over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore
from tests.waiting import Gate, until

COPIES = """
    def actions(req, res, ss):
        req.use("session", max_age={max_age})

        async def do(step):
            await ss.api.steps[step](req.session)

        return [do]
"""


def shared_store() -> WatchedStore:
    return WatchedStore(shared=True)


async def under_way(site: Site, calls: int) -> None:
    """Wait until so many calls have come to the server."""
    await until(lambda: site.ss._ready().dispatcher.running == calls)


async def write_elsewhere(store: WatchedStore, key: str, data: str) -> None:
    """Another process writes these values into the session."""
    record = await store.inner.load(key)
    assert record
    assert await store.inner.replace(key, replace(record, data=data, token="elsewhere"), record)


@pytest.mark.gen_test
async def test_calls_that_come_together_share_one_load(make_server: MakeServer) -> None:
    store = shared_store()
    async with serving(session_server(make_server, store, poll_interval=60)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with line(browser) as one:
            store.forget()
            store.after["load"] = gate = Gate()
            calls = asyncio.gather(*(one.do(look) for _ in range(20)))
            await under_way(site, 20)
            gate.let_go()
            assert await calls == [(None, {"a": 1})] * 20
            assert 1 <= store.count["load"] <= 2


@pytest.mark.gen_test
async def test_calls_that_come_during_a_load_share_the_next(make_server: MakeServer) -> None:
    store = shared_store()
    async with serving(session_server(make_server, store, poll_interval=60)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with line(browser) as one:
            store.forget()
            store.after["load"] = gate = Gate()
            calls = [asyncio.create_task(one.do(look))]
            await gate.reached()
            calls += [asyncio.create_task(one.do(look)) for _ in range(9)]
            await under_way(site, 10)
            gate.let_go()
            await asyncio.gather(*calls)
            assert store.count["load"] == 2


@pytest.mark.gen_test
async def test_a_call_never_sees_less_than_what_was_saved_before_it_came(make_server: MakeServer) -> None:
    """A load that is under way has read the old record already."""
    store = shared_store()
    async with serving(session_server(make_server, store, poll_interval=60)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with line(browser) as one:
            store.after["load"] = gate = Gate()
            early = asyncio.create_task(one.do(look))
            await gate.reached()
            await write_elsewhere(store, site.ss.session.key_for(browser.id or ""), '{"a":2}')
            late = asyncio.create_task(one.do(look))
            await under_way(site, 2)
            gate.let_go()
            assert await late == (None, {"a": 2})
            await early


@pytest.mark.gen_test
async def test_a_call_that_is_cancelled_takes_the_load_from_nobody(make_server: MakeServer) -> None:
    store = shared_store()
    async with serving(session_server(make_server, store, poll_interval=60)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with line(browser) as one:
            store.after["load"] = gate = Gate()
            first = asyncio.create_task(one.do(look))
            second = asyncio.create_task(one.do(look))
            await under_way(site, 2)
            name = next(iter(one._waiting))
            await one.socket.send(json.dumps({"jsonrpc": "2.0", "method": "rpc.cancel", "params": {"id": name}}))
            with pytest.raises(RPCError, match="Cancelled"):
                await first
            gate.let_go()
            assert await second == (None, {"a": 1})


@pytest.mark.gen_test
async def test_calls_that_are_cancelled_together_do_not_run(make_server: MakeServer) -> None:
    """One leads the load, the others share it: each cancellation is its call's own."""
    store = shared_store()
    ran: list[Session] = []
    ss = session_server(make_server, store, poll_interval=60)
    ss.options.call_deadline = 0.2
    async with serving(ss) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with line(browser) as one:
            store.before["load"] = gate = Gate()
            calls = [one.do(ran.append) for _ in range(5)]
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            assert [getattr(outcome, "code", 0) for outcome in outcomes] == [-32002] * 5
            gate.let_go()
            await asyncio.sleep(0.2)
            assert ran == []


@pytest.mark.gen_test
async def test_a_load_that_fails_fails_for_all_and_the_next_is_asked_again(make_server: MakeServer) -> None:
    store = shared_store()
    async with serving(session_server(make_server, store, poll_interval=60)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with line(browser) as one:
            store.down = True
            outcomes = await asyncio.gather(*(one.do(look) for _ in range(5)), return_exceptions=True)
            assert [getattr(outcome, "code", 0) for outcome in outcomes] == [-32010] * 5
            store.down = False
            assert await one.do(look) == (None, {"a": 1})


@pytest.mark.gen_test
async def test_max_age_takes_a_copy_while_it_is_young_enough(make_server: MakeServer) -> None:
    store = shared_store()
    ss = session_server(make_server, store, poll_interval=60)
    (ss.root / "rpc" / "copies.py").write_text(_dedented(COPIES.format(max_age=3)))
    async with serving(ss) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            store.forget()
            for _ in range(5):
                assert await over_socket(socket, ss, look, "copies") == (None, {"a": 1})
            assert store.count["load"] == 0, "the handshake's own read is fresh enough"
            await asyncio.sleep(3.05)
            await over_socket(socket, ss, look, "copies")
            await over_socket(socket, ss, look, "copies")
            assert store.count["load"] == 1
            await over_socket(socket, ss, look)
            assert store.count["load"] == 2, "who did not ask for copies got one"


@pytest.mark.gen_test
async def test_a_save_on_a_copy_loses_nothing(make_server: MakeServer) -> None:
    ss = session_server(make_server, shared_store(), poll_interval=60)
    (ss.root / "rpc" / "copies.py").write_text(_dedented(COPIES.format(max_age=60)))
    async with serving(ss) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            old = next(iter(ss.session.claims.all())).copy
            await over_http(browser, put(b=2))
            next(iter(ss.session.claims.all())).copy = old  # as if another process had written
            await over_socket(socket, ss, put(c=3), "copies")
            assert await over_http(browser, look) == (None, {"a": 1, "b": 2, "c": 3})


@pytest.mark.gen_test
async def test_a_log_out_ends_the_copies(make_server: MakeServer) -> None:
    ss = session_server(make_server, shared_store(), poll_interval=60)
    (ss.root / "rpc" / "copies.py").write_text(_dedented(COPIES.format(max_age=60)))
    async with serving(ss) as site:
        browser = Browser(site)
        await over_http(browser, lambda session: session.set_user_id("ada"))
        async with browser.socket() as socket:
            assert await over_socket(socket, ss, look, "copies") == ("ada", {})
            await over_http(browser, lambda session: session.set_user_id(None))
            assert await over_socket(socket, ss, look, "copies") == (None, {})
            await over_http(browser, lambda session: session.destroy())
            assert await socket.closed() == (4401, "session ended")


@pytest.mark.parametrize("max_age", ['"1"', "-1", "4000", "True"])
def test_a_max_age_that_is_none_is_an_error_at_start(make_server: MakeServer, max_age: str) -> None:
    with pytest.raises(ConfigError, match=r"app\.py:3: .*max_age"):
        make_server({"rpc/app.py": COPIES.format(max_age=max_age)}).make_app()


@pytest.mark.gen_test
async def test_unchanged_sessions_cost_no_write_but_the_throttled_touch(make_server: MakeServer) -> None:
    store = shared_store()
    async with serving(session_server(make_server, store, max_age=10, touch_after=0.5)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            store.forget()
            start = time.monotonic()
            for _ in range(14):
                await over_socket(socket, site.ss, look)
                await over_http(browser, look)
                await asyncio.sleep(0.1)
            assert 2 <= store.writes.count("touch") <= (time.monotonic() - start) / 0.5 + 1
            assert set(store.writes) == {"touch"}


def _dedented(text: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in text.split("\n"))
