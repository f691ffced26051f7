"""Sessions that Express made, and sessions that it is to read: in each store with ``layout="express"``."""

# ruff: noqa: SIM118 (keys() is that of a store, not of a dict)

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace as with_changes
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rpc_sessions import SessionGone, StoreUnavailable
from rpc_sessions.session import ticket
from rpc_sessions.session.session import Session
from rpc_sessions.session.sessions import Sessions
from rpc_sessions.session.stores.base import FindsByUser, ListsKeys
from rpc_sessions.testing import a_key, a_record
from tests.logs import Logs, text
from tests.stores.express_raw import ID, KINDS, JSONObject, RawMongo, RawRedis, Shared, shared
from tests.stores.worker import make_sessions, open_session

__all__ = ["shared"]  # a fixture

PLAIN: JSONObject = {"originalMaxAge": None, "expires": None, "httpOnly": True, "path": "/"}
AGED: JSONObject = PLAIN | {"originalMaxAge": 60_000, "expires": "2030-01-01T00:00:00.000Z"}
FULL: JSONObject = {
    "originalMaxAge": 60_000,
    "partitioned": True,
    "priority": "high",
    "expires": "2030-01-01T00:00:00.000Z",
    "secure": True,
    "httpOnly": False,
    "domain": "example.org",
    "path": "/app",
    "sameSite": "strict",
}
DEFAULTS = {"redis": 86_400, "mongodb": 1_209_600, "file": 3_600}
MEMBERS = [
    *("id", "req", "save", "touch", "toString", "constructor", "destroy", "reload", "regenerate", "resetMaxAge"),
    *("hasOwnProperty", "cookie", "__proto__", "valueOf", "__defineGetter__"),
]


@asynccontextmanager
async def using(shared: Shared) -> AsyncIterator[Sessions]:
    sessions = make_sessions(shared.name, shared.options)
    try:
        yield sessions
    finally:
        await sessions.store.current.close()


def from_now(iso: str) -> float:
    return (datetime.fromisoformat(iso) - datetime.now(UTC)).total_seconds()


# -- what Express stored -------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_session_of_express_is_read(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": AGED, "cart": {"tea": [2, None]}, "userId": "ada", "channels": ["news"]})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        assert dict(session) == {"cart": {"tea": [2, None]}}
        assert (session.user_id, session.channel.list()) == ("ada", ["news"])
        assert session.max_age == timedelta(seconds=60)
        assert 45 < (session.expires - datetime.now(UTC)).total_seconds() < 60.01
        assert abs((session.created - datetime.now(UTC)).total_seconds()) < 20
        assert not session.changed


@pytest.mark.parametrize("cookie", [PLAIN, AGED, FULL])
@pytest.mark.gen_test
async def test_a_save_keeps_the_cookie_but_for_its_expiry(shared: Shared, cookie: JSONObject) -> None:
    shared.raw.put(ID, {"cookie": cookie, "a": 1}, lives=50)
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        session["b"] = 2
        await session.save()
    stored = shared.raw.get(ID)
    assert stored
    assert (stored["a"], stored["b"]) == (1, 2)
    kept = stored["cookie"]
    assert list(kept.items()) == list((cookie | {"expires": kept["expires"]}).items())
    if cookie is PLAIN:
        assert kept["expires"] is None
    else:
        assert 51 < from_now(kept["expires"]) < 60.01


@pytest.mark.gen_test
async def test_a_cookie_without_max_age_means_what_it_means_to_the_store(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": PLAIN})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        assert session.max_age == timedelta(seconds=DEFAULTS[shared.name])
    options = shared.options | {"ttl": timedelta(hours=2)}
    async with using(Shared(shared.name, options, shared.raw)) as sessions:
        session = await open_session(sessions, ID)
        assert session.max_age == timedelta(hours=2)
        session["a"] = 1
        await session.save()
    stored = shared.raw.get(ID)
    assert stored
    assert stored["cookie"] == PLAIN


@pytest.mark.gen_test
async def test_a_max_age_that_express_changed_is_followed(shared: Shared) -> None:
    async with using(shared) as sessions:
        session = await sessions.create({"a": 1})
        stored = shared.raw.get(session.id)
        assert stored
        shared.raw.put(session.id, stored | {"cookie": stored["cookie"] | {"originalMaxAge": 90_000}}, lives=90)
        await session.load()
        assert session.max_age == timedelta(seconds=90)
        session["a"] = 2
        await session.save()
    stored = shared.raw.get(session.id)
    assert stored
    assert (stored["a"], stored["cookie"]["originalMaxAge"]) == (2, 90_000)


@pytest.mark.gen_test
async def test_what_others_keep_in_the_session_stays(shared: Shared) -> None:
    theirs = {"passport": {"user": 7}, "csrf": ["x"], "big": 2**60, "e": 1e21, "f": 1.5, "no": None, "": {}, "2": "two"}
    text = {"t": 'é漢🙂\u0000"/\u2028\u001f\\ud83d'}
    shared.raw.put(ID, {"cookie": AGED, **theirs, **text})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        assert dict(session) == theirs | text
        session["mine"] = 1
        await session.save()
    stored = shared.raw.get(ID)
    assert stored
    assert {name: stored[name] for name in (*theirs, *text)} == theirs | text


# BSON has no such strings: the driver of Express has replaced what is broken.
@pytest.mark.parametrize("shared", [kind for kind in KINDS if kind != "mongodb-embedded"], indirect=True)
@pytest.mark.gen_test
async def test_half_a_character_is_read_as_the_sign_for_that(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": AGED, "cut": "a\ud83d", "whole": "🙂", "\udc00": 1})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        assert dict(session) == {"cut": "a\ufffd", "whole": "🙂", "\ufffd": 1}
        session["a"] = 1
        await session.save()
        assert (await session.load())["a"] == 1


@pytest.mark.gen_test
async def test_what_express_drops_itself_is_not_there(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": AGED, "a": 1, **{name: "x" for name in MEMBERS if name != "cookie"}})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        assert dict(session) == {"a": 1}
        session["b"] = 2
        await session.save()
        assert dict(await session.load()) == {"a": 1, "b": 2}


@pytest.mark.gen_test
async def test_a_session_without_a_cookie_is_read_and_gets_one(shared: Shared) -> None:
    shared.raw.put(ID, {"a": 1})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        assert dict(session) == {"a": 1}
        session["b"] = 2
        await session.save()
    stored = shared.raw.get(ID)
    assert stored
    assert stored["cookie"].keys() == {"originalMaxAge", "expires", "httpOnly", "path", "sameSite"}
    assert stored["cookie"]["originalMaxAge"] == DEFAULTS[shared.name] * 1000


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "5", '"x"', "MIIBcQQYV0RzTkRydz==", '{"a":NaN}', "{}{}"])
@pytest.mark.gen_test
async def test_what_is_no_session_json_is_unavailable_and_kept(shared: Shared, text: str, logs: Logs) -> None:
    shared.raw.write(ID, text)
    async with using(shared) as sessions:
        with pytest.raises(StoreUnavailable):
            await open_session(sessions, ID)
        if shared.name == "file":
            logs.take("corrupt")  # it is set aside
        else:
            assert await sessions.store.current.insert(ID, a_record()) is False
    assert shared.raw.text(ID) == text


@pytest.mark.gen_test
async def test_an_expired_session_is_not_there(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": AGED, "a": 1}, lives=4)
    async with using(shared) as sessions:
        store = sessions.store.current
        loaded = await store.load(ID)
        assert loaded
        await asyncio.sleep(4)
        assert await store.load(ID) is None
        assert await store.touch(ID, time.time() + 60) is False
        assert await store.replace(ID, a_record(), loaded) is False
        assert shared.raw.get(ID) is None


# -- users and channels --------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "text"), [(42, "42"), (5_000_000_000, "5000000000"), (1.5, "1.5"), (-7, "-7")])
@pytest.mark.gen_test
async def test_a_number_is_a_user_and_stays_a_number(shared: Shared, number: float, text: str) -> None:
    shared.raw.put(ID, {"cookie": AGED, "userId": number})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        assert session.user_id == text
        session["a"] = 1
        await session.save()
        stored = shared.raw.get(ID)
        assert stored
        assert (stored["userId"], stored["a"]) == (number, 1)
        store = sessions.store.current
        assert isinstance(store, FindsByUser)
        assert [key for key, _ in await store.find_by_user(text)] == [ID]
        await session.regenerate()
        assert (shared.raw.get(session.id) or {})["userId"] == number
        await session.set_user_id("eve")
        assert (shared.raw.get(session.id) or {})["userId"] == "eve"


@pytest.mark.gen_test
async def test_who_logs_out_is_logged_out_at_express(shared: Shared) -> None:
    for user_id in ("ada", 42):
        shared.raw.put(ID, {"cookie": AGED, "userId": user_id, "a": 1})
        async with using(shared) as sessions:
            session = await open_session(sessions, ID)
            await session.set_user_id(None)
            stored = shared.raw.get(session.id)
            assert stored
            assert "userId" not in stored
            assert stored["a"] == 1
            assert "userId" not in (shared.raw.get(ID) or {})


@pytest.mark.parametrize("user", [None, True, {"id": 1}, ["ada"]])
@pytest.mark.parametrize("channels", [None, "news", {"a": 1}, [1, "news"]])
@pytest.mark.gen_test
async def test_what_is_no_user_and_no_channels_is_left_as_it_is(shared: Shared, user: Any, channels: Any) -> None:
    shared.raw.put(ID, {"cookie": AGED, "userId": user, "channels": channels})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        assert dict(session) == {}
        assert (session.user_id, session.channel.list()) == (None, [])
        session["a"] = 1
        await session.save()
        stored = shared.raw.get(ID)
        assert stored
        assert (stored["userId"], stored["channels"]) == (user, channels)
        await session.channel.subscribe("sport")
        assert (shared.raw.get(ID) or {})["channels"] == ["sport"]
        await session.set_user_id("ada")
        assert (shared.raw.get(session.id) or {})["userId"] == "ada"


@pytest.mark.gen_test
async def test_channels_are_shared(shared: Shared) -> None:
    async with using(shared) as sessions:
        session = await sessions.create()
        await session.channel.subscribe("news", "sport")
        stored = shared.raw.get(session.id)
        assert stored
        assert stored["channels"] == ["news", "sport"]
        shared.raw.put(session.id, stored | {"channels": ["art"]})
        assert (await session.load()).channel.list() == ["art"]
        await session.channel.reset()
        assert "channels" not in (shared.raw.get(session.id) or {})


@pytest.mark.gen_test
async def test_sessions_are_found_among_what_is_none(shared: Shared, logs: Logs) -> None:
    others = [ID[::-1], "x" * 32]
    shared.raw.put(ID, {"cookie": AGED, "userId": "ada"})
    shared.raw.put(others[0], {"cookie": AGED, "userId": "eve", "note": '"userId":"ada"'})
    shared.raw.put(others[1], {"cookie": AGED, "text": "ada"})
    shared.raw.put("short", {"cookie": AGED, "userId": "ada"})
    shared.raw.write("damaged" * 4, '{"userId":"ada"')
    if isinstance(shared.raw, RawRedis):
        shared.raw.client.hset(shared.raw.prefix + "h" * 32, "userId", "ada")
    if isinstance(shared.raw, RawMongo):
        shared.raw.sessions.insert_many([{"session": {"userId": "ada"}}, {"_id": "y" * 32, "session": {"userId": 5}}])
        others += ["y" * 32]  # it has no expiry
    async with using(shared) as sessions:
        await ticket.issue(sessions.store.current, sessions.claim("").id, [ID])
        store = sessions.store.current
        assert isinstance(store, FindsByUser)
        assert isinstance(store, ListsKeys)
        assert [key for key, _ in await store.find_by_user("ada")] == [ID]
        found = {key async for key in store.keys()} - {"damaged" * 4}
        assert {key for key in found if len(key) == 32} == {ID, *others}
        assert [info.key for info in await sessions.of_user("ada")] == [ID]
        assert {info.key async for info in sessions.all()} == {ID, *others}
        told = logs.take("damage.*corrupt" if shared.name == "file" else "cannot be read: damage")
        assert not any("damaged" * 4 in text(record) for record in told), "the log shows an id"


# -- what Express is to read ---------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_session_of_ours_is_one_that_express_reads(shared: Shared) -> None:
    async with using(shared) as sessions:
        session = await sessions.create({"cart": {}})
        await asyncio.sleep(0.05)
        session["cart"] = {"tea": 2}
        await session.set_user_id("ada")
    stored = shared.raw.get(session.id)
    assert stored
    created, cookie = stored.pop("rpc.created"), stored.pop("cookie")
    assert stored == {"cart": {"tea": 2}, "userId": "ada"}
    assert abs(created - time.time()) < 20
    assert 2_592_000 - 20 < from_now(cookie.pop("expires")) < 2_592_000.01
    assert cookie == {"originalMaxAge": 2_592_000_000, "httpOnly": True, "path": "/", "sameSite": "lax"}


@pytest.mark.parametrize("cookie", [PLAIN, AGED])
@pytest.mark.gen_test
async def test_a_max_age_of_ours_is_that_of_the_cookie(shared: Shared, cookie: JSONObject) -> None:
    shared.raw.put(ID, {"cookie": cookie})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        session.max_age = timedelta(minutes=20)
        await session.save()
        stored = shared.raw.get(ID)
        assert stored
        assert stored["cookie"]["originalMaxAge"] == 1_200_000
        assert 1_170 < from_now(stored["cookie"]["expires"]) < 1_200.01
        session = await open_session(sessions, ID)
        assert session.max_age == timedelta(minutes=20)
        assert abs((session.expires - datetime.now(UTC)).total_seconds() - 1_200) < 20


async def refused(shared: Shared, key: str, value: Any, says: str) -> None:
    """A save of this value is refused, and nothing is written; without it, the session is saved."""
    async with using(shared) as sessions:
        session = await sessions.create({"a": 1})
        before = shared.raw.get(session.id)
        session.update({key: value, "b": 2})
        with pytest.raises(ValueError, match=rf"session\['{key}'\] cannot be stored: .*{says}"):
            await session.save()
        assert shared.raw.get(session.id) == before
        del session[key]
        await session.save()
        assert (shared.raw.get(session.id) or {})["b"] == 2
        with pytest.raises(ValueError, match=f"'{key}'"):
            await sessions.create({key: value})


@pytest.mark.parametrize("key", MEMBERS)
@pytest.mark.gen_test
async def test_keys_that_express_would_lose_are_refused(shared: Shared, key: str) -> None:
    await refused(shared, key, 1, "Express would lose it")


@pytest.mark.gen_test
async def test_the_users_and_the_channels_have_methods(shared: Shared) -> None:
    await refused(shared, "userId", "ada", "session.set_user_id")
    await refused(shared, "channels", ["news"], "session.channel")


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 10**40, [{"a": [2**60]}]])
@pytest.mark.gen_test
async def test_integers_that_javascript_would_change_are_refused(shared: Shared, value: Any) -> None:
    await refused(shared, "big", value, r"2\*\*53")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [float("-inf")]])
@pytest.mark.gen_test
async def test_nan_and_infinity_are_refused(shared: Shared, value: Any) -> None:
    await refused(shared, "odd", value, "NaN")


@pytest.mark.gen_test
async def test_integers_up_to_2_to_the_53rd_come_back(shared: Shared) -> None:
    values: JSONObject = {"most": 2**53, "least": -(2**53), "float": 1e18, "digits": "12345678901234567890"}
    async with using(shared) as sessions:
        session = await sessions.create(dict(values))
        assert dict(await session.load()) == values
    assert (shared.raw.get(session.id) or {}).items() >= values.items()


# -- side by side --------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_touch_of_express_counts_and_stops_no_save(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": AGED, "a": 1, "2": 3}, lives=15)
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        before = session.record
        assert before
        shared.raw.touch(ID, 60)
        after = await sessions.store.current.load(ID)
        assert after
        assert after.expires - before.expires > 44
        assert await sessions.store.current.replace(ID, with_changes(before, data='{"a":2}'), before) is True
        stored = shared.raw.get(ID)
        assert stored
        assert from_now(stored["cookie"]["expires"]) < 16  # no longer what it was, nor what the touch made of it


@pytest.mark.gen_test
async def test_a_touch_of_ours_counts_at_express(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": AGED, "a": 1}, lives=4)
    async with using(shared) as sessions:
        assert await sessions.store.current.touch(ID, time.time() + 60) is True
        await asyncio.sleep(4)
        stored = shared.raw.get(ID)
        assert stored
        assert (stored["a"], stored["cookie"]["originalMaxAge"]) == (1, 60_000)


@pytest.mark.gen_test
async def test_a_write_of_express_in_between_is_merged(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": AGED, "a": 1, "gone": 1})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        session["b"] = 2
        shared.raw.put(ID, {"cookie": AGED, "a": 3, "c": 4})
        await session.save()
        assert dict(session) == {"a": 3, "b": 2, "c": 4}
    stored = shared.raw.get(ID)
    assert stored
    assert [stored.get(name) for name in ("a", "b", "c", "gone")] == [3, 2, 4, None]


@pytest.mark.gen_test
async def test_what_express_destroyed_is_not_brought_back(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": AGED, "a": 1})
    async with using(shared) as sessions:
        session = await open_session(sessions, ID)
        session["a"] = 2
        shared.raw.delete(ID)
        with pytest.raises(SessionGone):
            await session.save()
    assert shared.raw.get(ID) is None


@pytest.mark.gen_test
async def test_an_id_that_is_retired_is_dead_for_express_too(shared: Shared) -> None:
    shared.raw.put(ID, {"cookie": AGED, "a": 1})
    async with using(shared) as sessions:
        store = sessions.store.current
        loaded = await store.load(ID)
        assert loaded
        assert await store.replace(ID, with_changes(loaded, expires=0.0, token="x"), loaded) is True
        assert shared.raw.get(ID) is None
        shared.raw.touch(ID, 60)
        assert shared.raw.get(ID) is None
        assert await store.load(ID) is None


@pytest.mark.gen_test
async def test_two_saves_in_a_row_do_not_read(shared: Shared) -> None:
    async with using(shared) as sessions:
        session: Session = await sessions.create({"n": 0})
        store, loads = sessions.store.current, list[str]()
        load = store.load

        async def counted(key: str) -> Any:
            loads.append(key)
            return await load(key)

        store.load = counted  # type: ignore[method-assign]
        for n in range(3):
            session["n"] = n + 1
            await session.save()
        assert loads == []
        assert (shared.raw.get(session.id) or {})["n"] == 3


@pytest.mark.gen_test
async def test_the_key_of_a_session_is_its_id(shared: Shared) -> None:
    async with using(shared) as sessions:
        session = await sessions.create({"a": 1})
        assert sessions.key_for(session.id) == session.id
        assert await sessions.store.current.load(session.id)
        assert shared.raw.get(session.id)
        assert await sessions.store.current.load(a_key()) is None
