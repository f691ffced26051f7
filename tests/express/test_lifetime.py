"""How long a session lives: what one side sets the other keeps, and a use on either side counts."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import pytest

from rpc_sessions import Session
from tests.express.pair import Pair
from tests.http.browser import set_cookies
from tests.session.steps import look, put

HOUR = 3600
NEARLY = 30  # seconds that may pass between two lines of a test
COOKIE = "return req.session.cookie"
AN_HOUR = {"cookie": {"maxAge": HOUR * 1000}}


def life(session: Session) -> float:
    """A step: the session's max_age in seconds."""
    return session.max_age.total_seconds()


def end(session: Session) -> datetime:
    """A step: when it ends."""
    return session.expires


def about(seconds: float) -> object:
    """So long. Express reads the clock twice when it sets a maxAge, so a little may be missing."""
    return pytest.approx(seconds, abs=NEARLY)


def left(end: datetime) -> float:
    """The seconds until then."""
    return (end - datetime.now(UTC)).total_seconds()


@pytest.mark.parametrize("rolling", [True, False])
@pytest.mark.gen_test
async def test_our_writes_keep_the_max_age_of_express(pair: Pair, rolling: bool) -> None:
    async with pair({**AN_HOUR, "rolling": rolling}) as ada:
        await ada.express("req.session.a = 1")
        assert await ada.http(life) == about(HOUR)
        await ada.http(put(b=2))
        assert left(await ada.http(end)) == about(HOUR)
        assert (await ada.express(COOKIE))["originalMaxAge"] / 1000 == about(HOUR)
        async with ada.socket() as socket:
            await ada.call(socket, put(c=3))
            assert await ada.call(socket, life) == about(HOUR)
        assert (await ada.express(COOKIE))["originalMaxAge"] / 1000 == about(HOUR)


@pytest.mark.gen_test
async def test_the_browser_is_told_the_max_age_of_express(pair: Pair) -> None:
    async with pair(AN_HOUR) as ada:
        await ada.express("req.session.a = 1")
        ada.site.ss.api.steps["write"] = put(b=2)
        (header,) = set_cookies(await ada.get("/do?step=write"))
        assert int(SimpleCookie(header)["connect.sid"]["max-age"]) == about(HOUR)


@pytest.mark.gen_test
async def test_express_sees_our_max_age(pair: Pair) -> None:
    async def remember(session: Session) -> None:
        session.max_age = timedelta(hours=2)
        await session.save()

    async with pair(AN_HOUR, max_age=600) as ada:
        await ada.http(put(a=1))
        cookie = await ada.express(COOKIE)
        assert cookie["originalMaxAge"] == 600_000
        assert left(datetime.fromisoformat(cookie["expires"])) == about(600)
        await ada.http(remember)
        assert (await ada.express(COOKIE))["originalMaxAge"] == 2 * HOUR * 1000
        await ada.express("req.session.b = 2")
        assert await ada.http(life) == about(2 * HOUR)


@pytest.mark.gen_test
async def test_we_see_a_max_age_that_express_changes(pair: Pair) -> None:
    async with pair(AN_HOUR) as ada:
        await ada.http(put(a=1))
        await ada.express(f"req.session.cookie.maxAge = {5 * HOUR * 1000}; req.session.remember = true")
        assert await ada.http(life) == about(5 * HOUR)
        assert left(await ada.http(end)) == about(5 * HOUR)


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
    async with pair(AN_HOUR) as ada:
        await ada.express("req.session.a = 1")
        before = await ada.http(end)
        await asyncio.sleep(2.1)
        await ada.express("return 0")  # a touch: lives an hour from now, while cookie.expires in the body may not move
        touched = await ada.http(end)
        assert touched > before + timedelta(seconds=1)
        await asyncio.sleep(2.1)
        await ada.http(put(b=2))
        expires = datetime.fromisoformat((await ada.express(COOKIE))["expires"])
        assert expires > touched + timedelta(seconds=1)


@pytest.mark.gen_test
async def test_a_use_of_ours_counts_for_express(pair: Pair) -> None:
    async with pair({"cookie": {"maxAge": 6000}}, touch_after=0) as ada:
        await ada.express("req.session.a = 1")
        over = time.monotonic() + 6.2
        while time.monotonic() < over:
            await asyncio.sleep(0.2)
            async with ada.socket() as socket:
                assert await ada.call(socket, look) == (None, {"a": 1})
        assert await ada.express("return req.session.a") == 1


@pytest.mark.parametrize("side", ["express", "ours"])
@pytest.mark.gen_test
async def test_an_expired_session_is_gone_on_both_sides(pair: Pair, side: str) -> None:
    async with pair({"cookie": {"maxAge": 4000}}, max_age=4) as ada:
        await (ada.express("req.session.a = 1") if side == "express" else ada.http(put(a=1)))
        thief = ada.again()
        assert await thief.http(look) == (None, {"a": 1})
        await asyncio.sleep(4.2)
        assert await thief.express("return [req.session.a]") == [None]
        assert await ada.http(look) == (None, {})
