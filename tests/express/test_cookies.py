"""The cookie is one: signed by either side, with secrets that change, and refused by both where it is forged."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from rpc_sessions.session import cookie
from tests.apps import SECRET
from tests.express.pair import Pair, Visitor
from tests.session.steps import look, put

OLD, NEW = "the old secret of both", "the new secret of both"
# One after the other, for either side first: both know the new one before anybody signs with it.
STEPS = [([OLD], [OLD, NEW]), ([OLD, NEW], [NEW, OLD]), ([NEW, OLD], [NEW])]


@pytest.mark.parametrize(("ours", "express"), [*STEPS, *((late, early) for early, late in STEPS)])
@pytest.mark.gen_test
async def test_secrets_change_one_side_at_a_time(pair: Pair, ours: list[str], express: list[str]) -> None:
    async with pair({"secret": express}, secret=ours) as ada:
        await ada.express("req.session.begun = 'express'")
        assert await ada.http(look) == (None, {"begun": "express"})
        ada.cookie = ""
        await ada.http(put(begun="ours"))
        assert await ada.express("return req.session.begun") == "ours"


@pytest.mark.gen_test
async def test_a_cookie_of_the_old_secret_is_renewed_with_the_new_one(pair: Pair) -> None:
    async with pair({"secret": [OLD]}, secret=[NEW, OLD]) as ada:
        await ada.express("req.session.a = 1")
        await ada.http(put(b=2))
        assert cookie.read(ada.cookie, "connect.sid", [NEW])


def forgeries(id: str, value: str) -> dict[str, str]:
    """Cookies that no side has signed, for a session that exists."""
    signed = unquote(value)
    signature = signed.rsplit(".", 1)[1]
    return {
        "not signed": id,
        "not signed, with the prefix": f"s%3A{id}",
        "an empty signature": f"s%3A{id}.",
        "signed with another secret": cookie.sign(id, "a secret of a stranger"),
        "the signature of another id": f"s%3A{'x' * len(id)}.{signature}",
        "a signature that goes on": value + "A",
        "a signature cut short": value[:-2],
        "without the prefix": value.removeprefix("s%3A"),
        "a path": "s%3A..%2F..%2Fetc%2Fpasswd.x",
        "a broken escape": "s%3A%E0%A4%A.x",
    }


@pytest.mark.gen_test
async def test_forged_cookies_are_refused_by_both(pair: Pair) -> None:
    async with pair() as ada:
        await ada.express("req.session.userId = 'ada'")
        assert ada.id
        value = ada.cookie.partition("=")[2]
        for kind, forged in forgeries(ada.id, value).items():
            thief = Visitor(ada.site, ada.application, f"connect.sid={forged}")
            assert await thief.again().express("return [req.session.userId]") == [None], kind
            assert await thief.again().http(look) == (None, {}), kind
            async with thief.again().socket() as socket:
                assert await thief.call(socket, look) == (None, {}), kind
            await thief.http(put(mine=1))
            assert thief.id not in (None, ada.id), kind
        assert await ada.http(look) == ("ada", {})


@pytest.mark.gen_test
async def test_the_cookie_of_a_websockets_handshake_is_good_for_both(pair: Pair) -> None:
    async with pair() as ada, ada.socket() as socket:
        assert ada.id, "the 101 brought no cookie"
        first = ada.id
        assert await ada.express("return [req.session.a]") == [None]  # nothing is stored yet
        assert await ada.http(look) == (None, {})
        assert ada.id == first
        await ada.call(socket, put(a=1))
        assert await ada.express("return req.session.a") == 1
        assert await ada.http(look) == (None, {"a": 1})
        assert ada.id == first


@pytest.mark.gen_test
async def test_a_session_that_express_begins_after_the_handshake_counts(pair: Pair) -> None:
    async with pair() as ada:
        async with ada.socket():
            await ada.express("req.session.a = 1")
        assert await ada.http(look) == (None, {"a": 1})
        async with ada.socket() as socket:
            assert await ada.call(socket, look) == (None, {"a": 1})


@pytest.mark.parametrize("length", [32, 43])
@pytest.mark.gen_test
async def test_ids_of_both_lengths(pair: Pair, length: int) -> None:
    async with pair() as ada:
        await (ada.express("req.session.a = 1") if length == 32 else ada.http(put(a=1)))
        assert cookie.read(ada.cookie, "connect.sid", [SECRET]) == ada.id
        assert len(ada.id or "") == length
        assert await ada.express("return [req.sessionID, req.session.a]") == [ada.id, 1]
        assert await ada.http(lambda session: [session.id, session["a"]]) == [ada.id, 1]
