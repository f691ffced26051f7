"""Calls that read the same record share what was worked out from it, and must not notice that they do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
from websockets.exceptions import ConnectionClosed

from rpc_sessions import RPCError, Server, Session
from rpc_sessions.session.stores.memory import MemoryStore
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.session.lines import Line, line
from tests.session.steps import Do, look, put, session_server, websocket

KEYS: list[object] = ["n", "none", "cart", "absent", "rpc.channels", 1, None, ("n",), []]
VALUES = {"n": 1, "text": "é", "none": None, "cart": {"items": [1]}, "list": [[]]}


@asynccontextmanager
async def two_lines(ss: Server) -> AsyncIterator[tuple[Line, Line]]:
    """Two sockets of one session, which has been read before."""
    async with serving(ss) as site:
        browser = Browser(site)
        async with line(browser) as one, line(browser) as other:
            await one.do(put(**VALUES))
            for _ in range(2):
                assert await one.do(look) == await other.do(look) == (None, VALUES)
            yield one, other


def items(session: Session) -> list[int]:
    return cast("Any", session["cart"])["items"]  # type: ignore[no-any-return]  # the test knows


@pytest.mark.gen_test
async def test_what_one_call_changes_in_place_no_other_sees(make_server: MakeServer) -> None:
    async def change(session: Session) -> None:
        assert session["n"] == 1  # of the values that are shared, before one that is not
        items(session).append(2)
        assert session.changed
        assert await other.do(lambda theirs: (items(theirs), theirs.changed)) == ([1], False)
        assert items(session) == [1, 2]

    async with two_lines(session_server(make_server)) as (one, other):
        await one.do(change)
        assert await one.do(look) == await other.do(look) == (None, VALUES)
        await other.do(change_and_save)
        assert await one.do(items) == await other.do(items) == [1, 3]


async def change_and_save(session: Session) -> None:
    items(session).append(3)
    await session.save()


@pytest.mark.parametrize("read", [lambda s: s.get("cart"), lambda s: dict(s)["cart"], lambda s: s.setdefault("cart")])
@pytest.mark.gen_test
async def test_what_any_method_gives_out_is_the_calls_own(make_server: MakeServer, read: Callable[..., Any]) -> None:
    def change(session: Session) -> bool:
        read(session)["items"].append(2)
        return session.changed

    async with two_lines(session_server(make_server)) as (one, other):
        assert await one.do(change)
        assert await one.do(look) == await other.do(look) == (None, VALUES)


@pytest.mark.gen_test
async def test_what_a_mutate_that_failed_has_changed_in_place_is_forgotten(make_server: MakeServer) -> None:
    def fail(session: Session) -> None:
        items(session).append(2)
        raise LookupError

    async def mutate(session: Session) -> None:
        with pytest.raises(LookupError):
            await session.mutate(fail)
        assert (items(session), session.changed) == ([1], False)

    async with two_lines(session_server(make_server)) as (one, other):
        await one.do(mutate)
        assert await one.do(look) == await other.do(look) == (None, VALUES)


@pytest.mark.gen_test
async def test_a_call_goes_on_with_what_it_began_with(make_server: MakeServer) -> None:
    async def wait(session: Session) -> None:
        await other.do(put(n=2, cart={"items": []}, new=1))
        assert dict(session) == VALUES
        assert "new" not in session
        assert await other.do(lambda theirs: theirs["n"]) == 2
        await session.load()
        assert (session["n"], items(session), session["new"]) == (2, [], 1)

    async with two_lines(session_server(make_server)) as (one, other):
        await one.do(wait)


@pytest.mark.gen_test
async def test_a_mapping_reads_the_same_before_and_after_its_values_are_its_own(make_server: MakeServer) -> None:
    def reads(session: Session) -> list[object]:
        odd: Any = session
        return [
            [list(session), len(session), bool(session), session.keys() == VALUES.keys(), session == VALUES],
            [key in odd for key in KEYS],
            [odd.get(key, "none") for key in KEYS],
            [odd.get("absent"), odd.get("none")],
        ]

    def compare(session: Session) -> None:
        for key in KEYS[3:]:
            with pytest.raises(KeyError):
                cast("Any", session)[key]
        before = reads(session)
        session["n"] = 1
        assert reads(session) == before

    async with two_lines(session_server(make_server)) as (one, _):
        await one.do(lambda session: session.channel.subscribe("news"))
        await one.do(compare)


def expires(session: Session) -> float:
    return session.expires.timestamp()


async def until_used(do: Do) -> None:
    """Read for more than half a second: nothing else is done to the session."""
    for _ in range(6):
        await asyncio.sleep(0.1)
        await do(look)


@pytest.mark.gen_test
async def test_reading_alone_pushes_the_expiry_out(make_server: MakeServer) -> None:
    ss = session_server(make_server, max_age=100, touch_after=0.5)
    async with serving(ss) as site, websocket(site) as do:
        await do(put(**VALUES))
        before = await do(expires)
        await until_used(do)
        assert await do(expires) >= before + 0.5


@pytest.mark.gen_test
async def test_what_is_done_to_the_record_behind_the_servers_back_is_seen(make_server: MakeServer) -> None:
    """As by another server of this process that has the same store."""
    store = MemoryStore()

    async def write(session: Session) -> None:
        record = session.record
        assert record is not None
        assert await store.replace(session.claim.key, replace(record, data='{"n":2}', token="other"), record)

    async def delete(session: Session) -> None:
        assert await store.delete(session.claim.key)

    async with serving(session_server(make_server, store)) as site, websocket(site) as do:
        await do(put(**VALUES))
        assert await do(look) == (None, VALUES)
        await do(write)
        assert await do(look) == (None, {"n": 2})
        await do(delete)
        with pytest.raises(RPCError, match="Session ended"):
            await do(look)


@pytest.mark.gen_test
async def test_a_session_that_is_only_read_ends_with_its_absolute_max_age(make_server: MakeServer) -> None:
    store = MemoryStore()

    async def age(session: Session) -> None:
        record = session.record
        assert record is not None
        older = replace(record, created=time.time() - 97, token="older")
        assert await store.replace(session.claim.key, older, record)

    ss = session_server(make_server, store, max_age=1000, absolute_max_age=100)
    async with serving(ss) as site, websocket(site) as do:
        await do(put(**VALUES))
        await do(age)
        for _ in range(2):
            assert await do(look) == (None, VALUES)
        await asyncio.sleep(3.1)
        with pytest.raises((RPCError, ConnectionClosed)):  # the server may have closed the socket by itself
            await do(look)


@pytest.mark.gen_test
async def test_options_that_are_taken_anew_hold_for_what_was_read_before(make_server: MakeServer) -> None:
    ss = session_server(make_server, max_age=100, touch_after=50)
    async with serving(ss) as site, websocket(site) as do:
        await do(put(**VALUES))
        before = await do(expires)
        await until_used(do)
        assert await do(expires) == before
        ss.session.options.touch_after = 0.1
        ss.session.start()
        await do(look)
        assert await do(expires) >= before + 0.5
