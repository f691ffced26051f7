"""Values JSON cannot hold: the save says which key, and nothing is written."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any

import pytest

from rpc_sessions import RPCError, Session
from tests.apps import MakeServer, serving
from tests.logs import Logs
from tests.session.steps import WAYS, Way, every_way, http, put, session_server
from tests.stores.doubles import WatchedStore


class Colour(enum.IntEnum):
    RED = 1


def loop() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


BAD: dict[str, Any] = {
    "object": object(),
    "bytes": b"a",
    "set": {1},
    "date": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    "uuid": uuid.UUID(int=1),
    "decimal": decimal.Decimal("1.5"),
    "function": len,
    "class": Session,
    "enum": Colour.RED,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "minus Infinity": [float("-inf")],
    "complex": 1j,
    "an int as a key": {1: "a"},
    "None as a key": {"a": {None: 1}},
    "a lone surrogate": "\ud800",
    "a lone surrogate as a key": {"\udfff": 1},
    "a generator": (n for n in range(3)),
    "a value that holds itself": loop(),
    "too deep": [[[]]],
    "an integer of 5,000 digits": 10**5000,
}
for _ in range(70):
    BAD["too deep"] = [BAD["too deep"]]


@every_way
@pytest.mark.gen_test
async def test_the_error_names_the_key_and_nothing_is_written(way: Way, make_server: MakeServer) -> None:
    async def attempt(session: Session) -> None:
        await session.load()
        for name, value in BAD.items():
            bad: Any
            for bad in (value, {"inner": [value]}):
                session["good"] = name
                session["bad one"] = bad
                assert session.changed
                for save in (session.save, session.regenerate, lambda: session.set_user_id("u")):
                    with pytest.raises((TypeError, ValueError), match="bad one"):
                        await save()
                assert session["good"] == name  # and it can be put right
                del session["bad one"]
        session["good"] = True

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site, way(site) as do:
        await do(put(good=0))
        store.forget()
        await do(attempt)
        assert set(store.writes) <= {"replace"}
        if way is WAYS[0]:
            assert store.writes == []


@pytest.mark.gen_test
async def test_over_http_a_value_that_cannot_be_saved_is_an_error_and_keeps_the_old_values(
    make_server: MakeServer, logs: Logs
) -> None:
    async with serving(session_server(make_server)) as site, http(site) as do:
        await do(lambda session: session.update(a=1))
        with pytest.raises(RPCError) as caught:
            await do(lambda session: session.update(a=2, bad=object()))
        assert caught.value.code == -500
        logs.take(r"session\['bad'\]|500 GET")
        assert await do(dict) == {"a": 1}


@every_way
@pytest.mark.gen_test
async def test_a_tuple_is_a_list_and_does_not_count_as_a_change(way: Way, make_server: MakeServer) -> None:
    async def check(session: Session) -> None:
        await session.load()
        assert session["pair"] == [1, [2]]
        pair: Any = (1, (2,))
        session["pair"] = pair
        assert not session.changed

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(put(pair=(1, (2,))))
        await do(check)


@every_way
@pytest.mark.gen_test
async def test_a_key_that_no_text_can_hold_is_named(way: Way, make_server: MakeServer) -> None:
    async def attempt(session: Session) -> None:
        session["\ud800"] = 1
        with pytest.raises(ValueError, match=r"ud800"):
            await session.save()
        del session["\ud800"]
        session["a"] = 2
        await session.save()

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(attempt)
        assert await do(dict) == {"a": 2}
