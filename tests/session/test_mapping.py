"""The session as a mapping: what it holds, what it refuses, and that it notices every change."""

from __future__ import annotations

from collections.abc import MutableMapping
from itertools import product
from typing import Any

import pytest

from rpc_sessions import Session
from tests.apps import MakeServer, serving
from tests.session.steps import Way, every_way, http, put, session_server, websocket


def content(session: Session) -> dict[str, Any]:
    return dict(session)


@every_way
@pytest.mark.gen_test
async def test_all_methods_of_a_mapping(way: Way, make_server: MakeServer) -> None:
    async def first(session: Session) -> None:
        assert isinstance(session, MutableMapping)
        assert (len(session), list(session), bool(session), "a" in session) == (0, [], False, False)
        session["a"] = 1
        session.update({"b": [2]}, c={"d": None})
        assert session.setdefault("a", 5) == 1
        assert session.setdefault("e", "é") == "é"
        assert session.get("f") is None
        assert session.pop("a") == 1
        assert session.pop("a", "none") == "none"
        assert session.keys() == {"b", "c", "e"}
        assert session == {"b": [2], "c": {"d": None}, "e": "é"}
        with pytest.raises(KeyError):
            session["a"]
        with pytest.raises(KeyError):
            session.pop("a")
        with pytest.raises(KeyError):
            del session["a"]
        del session["b"]
        await session.save()

    async def empty(session: Session) -> None:
        session.clear()
        await session.save()

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(first)
        assert await do(content) == {"c": {"d": None}, "e": "é"}
        await do(empty)
        assert await do(content) == {}


@every_way
@pytest.mark.gen_test
async def test_a_key_that_is_no_string_is_refused_at_once_and_nothing_is_lost(
    way: Way, make_server: MakeServer
) -> None:
    async def wrong(session: Session) -> None:
        keys: Any = session
        for key in (1, 1.0, None, True, b"a", ("a",), Session):
            with pytest.raises(TypeError, match="strings"):
                keys[key] = 2
            with pytest.raises(TypeError):
                keys.update({key: 2})
            with pytest.raises(TypeError):
                keys.setdefault(key, 2)
            assert key not in keys
            with pytest.raises(KeyError):
                keys[key]
        assert dict(session) == {"a": 1}
        session["b"] = 2
        await session.save()

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(put(a=1))
        await do(wrong)
        assert await do(content) == {"a": 1, "b": 2}


@every_way
@pytest.mark.gen_test
async def test_the_librarys_own_keys_are_out_of_reach(way: Way, make_server: MakeServer) -> None:
    async def reach(session: Session) -> None:
        await session.channel.subscribe("news")
        session.max_age = 100
        assert (len(session), dict(session), "rpc.channels" in session) == (0, {}, False)
        with pytest.raises(ValueError, match=r"rpc\."):
            session["rpc.channels"] = ["all"]
        with pytest.raises(KeyError):
            session["rpc.channels"]
        with pytest.raises(KeyError):
            session.pop("rpc.max_age")
        with pytest.raises(KeyError):
            del session["rpc.channels"]
        session.clear()
        await session.save()

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(reach)
        assert await do(lambda session: (session.channel.list(), session.max_age.total_seconds())) == (["news"], 100)


ODD_TEXTS = ["", "\x00", "a\nb", "é漢字🙂", "__proto__", "$set", "a.b", " ", "x" * 10_000, "rpc", "</script>", '"']


@every_way
@pytest.mark.gen_test
async def test_odd_texts_are_keys_and_values(way: Way, make_server: MakeServer) -> None:
    odd = {text: [text, {text: text}] for text in ODD_TEXTS}
    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(put(**odd))
        assert await do(content) == odd


NUMBERS = [0, -1, 2**53 + 1, 2**64, -(2**70), 10**4000, 0.1 + 0.2, 1.0, -0.0, 5e-324, 1.7976931348623157e308, 1e22]


@pytest.mark.parametrize("way", [websocket, http], ids=lambda way: way.__name__)
@pytest.mark.gen_test
async def test_numbers_come_back_exactly(way: Way, make_server: MakeServer) -> None:
    def as_text(session: Session) -> str:
        return repr(session["numbers"])

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(put(numbers=list(NUMBERS), yes=True, no=False, none=None))
        assert await do(as_text) == repr(NUMBERS)
        assert await do(lambda session: [session["yes"], session["no"], session["none"]]) == [True, False, None]


def nested(depth: int, value: Any) -> Any:
    """A value inside that many lists and objects."""
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value


@every_way
@pytest.mark.gen_test
async def test_what_can_be_saved_can_be_loaded_however_deep(way: Way, make_server: MakeServer) -> None:
    async def deepen(session: Session, value: Any) -> bool:
        session.clear()
        await session.save()
        session["deep"] = value
        try:
            await session.save()
        except ValueError:
            del session["deep"]
            return False
        return True

    async with serving(session_server(make_server)) as site, way(site) as do:
        for depth, end in product(range(61, 67), ("end", 1, None)):
            value = nested(depth, end)
            kept = await do(lambda session, value=value: deepen(session, value))  # type: ignore[misc]
            assert await do(content) == ({"deep": value} if kept else {})
            assert kept == (depth <= 63)  # the session itself is the 64th
