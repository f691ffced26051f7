"""Both sides change a session at once: we lose nothing of Express's, and nothing of ours.

What Express loses by itself (it saves all it has read) is in docs/sharing-with-express.md.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rpc_sessions import Session, SessionGone
from tests.express.pair import Pair, Shared
from tests.session.steps import look, put

ADD = "req.session.cart ??= {}; req.session.cart.%s = (req.session.cart.%s ?? 0) + 1"


def add(item: str) -> Any:
    async def step(session: Session) -> None:
        cart: Any = session.setdefault("cart", {})
        cart[item] = cart.get(item, 0) + 1
        await session.save()

    return step


@pytest.mark.gen_test
async def test_a_cart_filled_in_turn(pair: Pair) -> None:
    async with pair() as ada:
        await ada.express(ADD % ("apple", "apple"))
        async with ada.socket() as socket:
            for _ in range(3):
                await ada.call(socket, add("pear"))
                await ada.express(ADD % ("apple", "apple"))
                await ada.http(add("plum"))
            assert (await ada.call(socket, dict))["cart"] == {"apple": 4, "pear": 3, "plum": 3}
        assert await ada.express("return req.session.cart") == {"apple": 4, "pear": 3, "plum": 3}


@pytest.mark.gen_test
async def test_what_express_writes_between_our_load_and_our_save_is_merged(pair: Pair) -> None:
    async with pair() as ada:
        await ada.http(put(old=1, removed=2))

        async def step(session: Session) -> None:
            session["ours"] = 3
            await ada.again().express("req.session.theirs = 4; delete req.session.removed; req.session.userId = 'ada'")
            await session.save()

        await ada.http(step)
        merged = ("ada", {"old": 1, "ours": 3, "theirs": 4})
        assert await ada.http(look) == merged
        async with ada.socket() as socket:
            await ada.call(socket, step)
            assert await ada.call(socket, look) == merged


@pytest.mark.gen_test
async def test_a_touch_of_express_between_is_no_conflict(pair: Pair) -> None:
    async with pair({"cookie": {"maxAge": 60_000}}) as ada:
        await ada.express("req.session.a = 1")
        runs = 0

        async def one_more(session: Session) -> None:
            nonlocal runs
            runs += 1
            await ada.again().express("return 0")
            session["n"] = runs

        await ada.http(lambda session: session.mutate(one_more))
        assert await ada.http(dict) == {"a": 1, "n": runs}


@pytest.mark.gen_test
async def test_mutate_runs_again_after_a_write_of_express(pair: Pair) -> None:
    async with pair() as ada:
        await ada.http(put(count=1))
        runs = 0

        async def increment(session: Session) -> None:
            nonlocal runs
            runs += 1
            if runs == 1:
                await ada.again().express("req.session.count += 10")
            count: Any = session["count"]
            session["count"] = count + 1

        await ada.http(lambda session: session.mutate(increment))
        assert (runs, await ada.express("return req.session.count")) == (2, 12)


@pytest.mark.gen_test
async def test_a_save_revives_nothing_that_express_destroyed(pair: Pair) -> None:
    async with pair() as ada:
        await ada.http(put(a=1))

        async def step(session: Session) -> None:
            session["b"] = 2
            await ada.again().express("await done('destroy')")
            await session.save()

        old = ada.again()
        with pytest.raises(SessionGone):
            await ada.http(step)
        assert await old.express("return [req.session.a, req.session.b]") == [None, None]
        assert await old.http(look) == (None, {})


@pytest.mark.parametrize("shared", ["mongodb", "redis"], indirect=True)  # files: see the page
@pytest.mark.gen_test
async def test_in_parallel_no_write_of_express_is_lost(pair: Pair, shared: Shared) -> None:
    async with pair() as ada:
        await ada.http(put(theirs=0))

        async def count(key: str) -> None:
            async with ada.again().socket() as socket:
                for _ in range(20):
                    await ada.call(socket, put(**{key: True}))

        async def count_at_express() -> None:
            for n in range(40):
                assert await ada.again().express("return req.session.theirs++") == n

        await asyncio.gather(count_at_express(), *(count(key) for key in "abc"))
        assert (await ada.http(dict))["theirs"] == 40


@pytest.mark.parametrize("shared", ["mongodb", "redis"], indirect=True)
@pytest.mark.gen_test
async def test_in_parallel_no_write_of_ours_is_lost_to_readers_at_express(pair: Pair, shared: Shared) -> None:
    async with pair() as ada:
        await ada.http(put(n=0))

        def increment(session: Session) -> None:
            n: Any = session["n"]
            session["n"] = n + 1

        async def count() -> None:
            async with ada.again().socket() as socket:
                for _ in range(20):
                    await ada.call(socket, lambda session: session.mutate(increment))

        async def read() -> None:
            for _ in range(40):
                await ada.again().express("return req.session.n")

        await asyncio.gather(read(), read(), *(count() for _ in range(3)))
        assert (await ada.express("return req.session.n")) == 60
