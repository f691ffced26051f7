"""How long a session lives: what one side sets the other keeps, and a use on either side counts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import pytest

from rpc_sessions import Session
from tests.express.pair import Pair
from tests.http.browser import set_cookies
from tests.session.steps import look, put

HOUR = 3600
COOKIE = "return req.session.cookie"
AN_HOUR = {"cookie": {"maxAge": HOUR * 1000}}


def life(session: Session) -> float:
    """A step: the session's max_age in seconds."""
    return session.max_age.total_seconds()


def left(session: Session) -> float:
    """A step: the seconds until it ends."""
    return (session.expires - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize("rolling", [True, False])
@pytest.mark.gen_test
async def test_our_writes_keep_the_max_age_of_express(pair: Pair, rolling: bool) -> None:
    async with pair({**AN_HOUR, "rolling": rolling}) as ada:
        await ada.express("req.session.a = 1")
        assert await ada.http(life) == HOUR
        await ada.http(put(b=2))
        assert HOUR - 5 < await ada.http(left) <= HOUR
        assert (await ada.express(COOKIE))["originalMaxAge"] == HOUR * 1000
        async with ada.socket() as socket:
            await ada.call(socket, put(c=3))
            assert await ada.call(socket, life) == HOUR
        assert (await ada.express(COOKIE))["originalMaxAge"] == HOUR * 1000


@pytest.mark.gen_test
async def test_the_browser_is_told_the_max_age_of_express(pair: Pair) -> None:
    async with pair(AN_HOUR) as ada:
        await ada.express("req.session.a = 1")
        ada.site.ss.api.steps["write"] = put(b=2)
        (header,) = set_cookies(await ada.get("/do?step=write"))
        assert SimpleCookie(header)["connect.sid"]["max-age"] == str(HOUR)


@pytest.mark.gen_test
async def test_express_sees_our_max_age(pair: Pair) -> None:
    async def remember(session: Session) -> None:
        session.max_age = timedelta(hours=2)
        await session.save()

    async with pair(AN_HOUR, max_age=60) as ada:
        await ada.http(put(a=1))
        cookie = await ada.express(COOKIE)
        assert cookie["originalMaxAge"] == 60_000
        assert 50 < (datetime.fromisoformat(cookie["expires"]) - datetime.now(UTC)).total_seconds() <= 60
        await ada.http(remember)
        assert (await ada.express(COOKIE))["originalMaxAge"] == 2 * HOUR * 1000
        await ada.express("req.session.b = 2")
        assert await ada.http(life) == 2 * HOUR


@pytest.mark.gen_test
async def test_we_see_a_max_age_that_express_changes(pair: Pair) -> None:
    async with pair(AN_HOUR) as ada:
        await ada.http(put(a=1))
        await ada.express(f"req.session.cookie.maxAge = {5 * HOUR * 1000}; req.session.remember = true")
        assert await ada.http(life) == 5 * HOUR
        assert 5 * HOUR - 5 < await ada.http(left) <= 5 * HOUR


@pytest.mark.gen_test
async def test_a_session_without_max_age_stays_one(pair: Pair) -> None:
    """Express then sets a cookie that ends with the browser, and leaves the lifetime to the store."""
    async with pair() as ada:
        await ada.express("req.session.a = 1")
        await ada.http(put(b=2))
        async with ada.socket() as socket:
            await ada.call(socket, put(c=3))
        cookie = await ada.express(COOKIE)
        assert (cookie["originalMaxAge"], cookie["expires"]) == (None, None)


@pytest.mark.gen_test
async def test_a_use_at_express_counts_for_us_though_it_leaves_the_body_stale(pair: Pair) -> None:
    async with pair({"cookie": {"maxAge": 2000}}) as ada:
        await ada.express("req.session.a = 1")
        await asyncio.sleep(1.4)
        await ada.express("return 0")  # a touch: lives 2 s from now, while cookie.expires in the body may not move
        await asyncio.sleep(1.0)
        assert await ada.http(look) == (None, {"a": 1})
        before = datetime.now(UTC)
        await ada.http(put(b=2))
        expires = datetime.fromisoformat((await ada.express(COOKIE))["expires"])
        assert expires >= before + timedelta(seconds=1.9)


@pytest.mark.gen_test
async def test_a_use_of_ours_counts_for_express(pair: Pair) -> None:
    async with pair({"cookie": {"maxAge": 2000}}, touch_after=0) as ada:
        await ada.express("req.session.a = 1")
        for _ in range(2):
            await asyncio.sleep(1.2)
            async with ada.socket() as socket:
                assert await ada.call(socket, look) == (None, {"a": 1})
        await asyncio.sleep(1.2)
        assert await ada.express("return req.session.a") == 1


@pytest.mark.parametrize("side", ["express", "ours"])
@pytest.mark.gen_test
async def test_an_expired_session_is_gone_on_both_sides(pair: Pair, side: str) -> None:
    async with pair({"cookie": {"maxAge": 1000}}, max_age=1) as ada:
        await (ada.express("req.session.a = 1") if side == "express" else ada.http(put(a=1)))
        thief = ada.again()
        assert await thief.http(look) == (None, {"a": 1})
        await asyncio.sleep(1.2)
        assert await thief.express("return [req.session.a]") == [None]
        assert await ada.http(look) == (None, {})
