"""A log-out on either side ends the session on both: the old cookie is worth nothing any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from websockets.exceptions import InvalidStatus

from rpc_sessions import RPCError, Session, SessionGone
from tests.express.pair import Pair, Visitor, assert_ended
from tests.session.steps import Step, look, put

READ = "return [req.session.userId, req.session.a]"


async def begin(ada: Visitor) -> Visitor:
    """Log in at Express. Somebody who has copied the cookie."""
    await ada.express("req.session.userId = 'ada'; req.session.a = 1")
    return ada.again()


@contextmanager
def maybe_refused() -> Iterator[None]:
    """For some seconds an id that has moved may be refused: its browser is about to get the new cookie."""
    try:
        yield
    except InvalidStatus as refusal:
        if refusal.response.status_code != 503:
            raise
    except RPCError as refusal:
        if refusal.code != SessionGone.CODE:
            raise


async def assert_worthless(thief: Visitor) -> None:
    """The old cookie shows nothing, on either side."""
    assert await thief.again().express(READ) == [None, None]
    assert await thief.again().http(look) == (None, {})
    with maybe_refused():
        async with thief.again().socket() as socket:
            assert await thief.call(socket, look) == (None, {})


async def assert_writes_nothing(thief: Visitor, ada: Visitor) -> None:
    """What is done with the old cookie does not reach the session."""
    before = await ada.http(look)
    await thief.again().express("req.session.stolen = 1")
    with maybe_refused():
        await thief.again().http(put(stolen=1))
    assert await ada.http(look) == before


@pytest.mark.parametrize("end", ["await done('destroy')", "await done('regenerate'); req.session.b = 2"])
@pytest.mark.gen_test
async def test_what_express_ends_is_ended(pair: Pair, end: str) -> None:
    async with pair() as ada:
        thief = await begin(ada)
        async with ada.socket() as socket, thief.socket() as other:
            await ada.express(end)
            await assert_ended(socket, other)
        await assert_worthless(thief)
        await begin(ada)
        await assert_writes_nothing(thief, ada)


async def destroy(session: Session) -> None:
    await session.destroy()


async def new_id(session: Session) -> None:
    await session.regenerate()


async def start_afresh(session: Session) -> None:
    await session.regenerate(keep=False)


async def log_out(session: Session) -> None:
    await session.set_user_id(None)


@pytest.mark.parametrize("end", [destroy, new_id, start_afresh, log_out])
@pytest.mark.gen_test
async def test_what_we_end_over_http_is_ended(pair: Pair, end: Step) -> None:
    async with pair() as ada:
        thief = await begin(ada)
        await ada.http(end)
        await assert_worthless(thief)
        await assert_writes_nothing(thief, ada)


@pytest.mark.parametrize("end", [destroy, new_id, start_afresh, log_out])
@pytest.mark.gen_test
async def test_what_we_end_over_websocket_is_ended(pair: Pair, end: Step) -> None:
    async with pair() as ada:
        thief = await begin(ada)
        async with ada.socket() as socket:
            await ada.call(socket, end)
            await ada.take_ticket(socket)
        await assert_worthless(thief)
        await assert_writes_nothing(thief, ada)


@pytest.mark.gen_test
async def test_a_new_id_of_either_side_keeps_the_visitor(pair: Pair) -> None:
    async with pair() as ada:
        await begin(ada)
        await ada.http(new_id)
        assert await ada.express(READ) == ["ada", 1]
        await ada.express(
            "const {userId, a} = req.session; await done('regenerate'); Object.assign(req.session, {userId, a})"
        )
        assert await ada.http(look) == ("ada", {"a": 1})
        await ada.http(start_afresh)
        assert await ada.express(READ) == [None, None]
