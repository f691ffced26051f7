"""What is in a session arrives as it was, whoever wrote it, and what the other side needs stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rpc_sessions import Session
from tests.express.pair import READ, Pair, Visitor
from tests.session.steps import put

VALUES: dict[str, Any] = {
    "nested": {"a": [1, {"b": [None, {"c": {}}]}], "__proto__": 1, "constructor": [2]},
    "unicode": 'né \U0001f680 \u2028 \x00 "quoted" \\ </script>',
    "ключ \U0001f5dd.$a": "a key of all kinds",
    "floats": [0.1, -2.5e-7, 1e21, 1.7976931348623157e308],
    "whole": [0, -1, 2**53, -(2**53)],
    "null": None,
    "booleans": [True, False],
    "empty": ["", [], {}],
    "": "an empty key",
}


async def assert_refused(ada: Visitor, name: str, value: Any) -> None:
    """A save of this value is a ValueError that names it, and stores nothing."""

    async def step(session: Session) -> str:
        try:
            session.update({"good": 1, name: value})
            await session.save()
        except ValueError as error:
            await session.load()
            return str(error)
        return "it was stored"

    assert repr(name) in await ada.http(step)
    assert await ada.express(READ) == {}


@pytest.mark.gen_test
async def test_what_we_write_express_reads(pair: Pair) -> None:
    async with pair() as ada:
        await ada.http(put(**VALUES))
        assert await ada.express(READ) == VALUES


@pytest.mark.gen_test
async def test_what_express_writes_we_read(pair: Pair) -> None:
    async with pair() as ada:
        await ada.express(f"Object.assign(req.session, JSON.parse({json.dumps(json.dumps(VALUES))}))")
        assert await ada.http(dict) == VALUES
        async with ada.socket() as socket:
            assert await ada.call(socket, dict) == VALUES


@pytest.mark.gen_test
async def test_all_of_it_survives_the_way_there_and_back(pair: Pair) -> None:
    async with pair() as ada:
        await ada.http(put(**VALUES))
        for n in range(3):
            await ada.express(f"req.session.n = {n}")
            await ada.http(put(m=n))
        assert await ada.http(dict) == await ada.express(READ) == VALUES | {"n": 2, "m": 2}


@pytest.mark.gen_test
async def test_what_packages_of_express_keep_in_the_session_stays(pair: Pair) -> None:
    packages = {"passport": {"user": 7}, "csrfTokens": ["x"], "flash": {"info": ["hello"]}, "_csrf": "y"}
    async with pair() as ada:
        await ada.express(f"Object.assign(req.session, {json.dumps(packages)})")
        async with ada.socket() as socket:
            await ada.call(socket, put(cart={"apple": 1}))
        await ada.http(lambda session: session.set_user_id("ada"))
        assert await ada.express(READ) == packages | {"cart": {"apple": 1}, "userId": "ada"}


@pytest.mark.gen_test
async def test_express_does_not_take_our_fields_for_changes_of_its_own(pair: Pair) -> None:
    async def fill(session: Session) -> None:
        session.max_age = 3600
        session["a"] = 1.0
        await session.set_user_id("ada")
        await session.channel.subscribe("news")

    async with pair() as ada:
        await ada.http(fill)
        await ada.express("return req.session.userId")
        asked = await ada.express("return asked.filter((line) => line.endsWith(req.sessionID))")
        assert asked == [f"touch {ada.id}"]  # no set


@pytest.mark.gen_test
async def test_names_that_express_would_lose_are_refused(pair: Pair) -> None:
    """Express keeps no value whose name a session of its own has already."""
    script = """
        const names = new Set();
        for (let part = req.session; part; part = Object.getPrototypeOf(part))
            for (const name of Object.getOwnPropertyNames(part)) names.add(name);
        return [...names];
    """
    async with pair() as ada:
        names = await ada.express(script)
        assert {"id", "req", "save", "cookie", "__proto__", "toString"} <= set(names)
        for name in names:
            await assert_refused(ada, name, "x")


@pytest.mark.parametrize("value", [2**53 + 1, -(2**60), float("nan"), float("inf"), "\ud800"])
@pytest.mark.gen_test
async def test_values_that_javascript_would_change_are_refused(pair: Pair, value: object) -> None:
    async with pair() as ada:
        await assert_refused(ada, "bad", value)


@pytest.mark.parametrize("settings", [{"resave": True}, {"saveUninitialized": True}, {"rolling": True}])
@pytest.mark.gen_test
async def test_with_other_settings_of_express(pair: Pair, settings: dict[str, object]) -> None:
    async with pair(settings) as ada:
        await ada.express("return 0")
        await ada.http(put(a=1))
        await ada.express("req.session.b = 2")
        async with ada.socket() as socket:
            await ada.call(socket, put(c=3))
        assert await ada.http(dict) == await ada.express(READ) == {"a": 1, "b": 2, "c": 3}
