"""Between a log-in over WebSocket and the exchange of its ticket, the browser has the old cookie: it reads, no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from rpc_sessions import RPCError, Session
from rpc_sessions.session import moved
from tests.http.browser import Browser, set_cookies
from tests.rotation.conftest import NOBODY, Visiting, log_in, log_out
from tests.session.steps import Step, look, over_http, over_post, over_socket, put

By = Callable[[Browser, Step], Awaitable[Any]]
by_http = pytest.mark.parametrize("by", [over_http, over_post])
WRITES: dict[str, Step] = {
    "save": put(late=1),
    "autosave": lambda session: session.update(late=1),
    "mutate": lambda session: session.mutate(lambda session: session.update(late=1)),
    "log in": lambda session: session.set_user_id("eve"),
    "log out": log_out,
    "regenerate": lambda session: session.regenerate(),
    "destroy": lambda session: session.destroy(),
    "subscribe": lambda session: session.channel.subscribe("news"),
}


@by_http
@pytest.mark.gen_test
async def test_http_reads_what_was_there_before(visiting: Visiting, by: By) -> None:
    async with visiting(touch_after=0) as visit:
        ticket = await visit.ticket()
        old = visit.browser.cookie
        assert await by(visit.browser, look) == visit.before
        assert visit.browser.cookie == old
        assert await visit.browser.redeem(ticket) == 204
        assert await by(visit.browser, look) == visit.after


@by_http
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
@pytest.mark.gen_test
async def test_http_writes_are_refused_and_the_log_in_is_not_lost(visiting: Visiting, by: By, write: Step) -> None:
    async with visiting() as visit:
        ticket = await visit.ticket()
        old = visit.browser.cookie
        with pytest.raises(RPCError, match="new cookie") as refused:
            await by(visit.browser, write)
        assert refused.value.code == -32001
        assert visit.browser.cookie == old, "a third cookie would not fit the ticket"
        assert await visit.browser.redeem(ticket) == 204
        assert await visit.sees() == (visit.after, visit.after)
        assert await visit.do() == visit.after


@pytest.mark.gen_test
async def test_the_refusal_is_a_401_without_a_cookie(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.do(log_in)
        visit.site.ss.api.steps["write"] = put(late=1)
        response = await visit.browser.get("/do?step=write")
        assert (response.code, set_cookies(response)) == (401, [])
        assert b"-32001" in response.body


@by_http
@pytest.mark.gen_test
async def test_a_request_that_began_before_the_log_in_may_end_reading(visiting: Visiting, by: By) -> None:
    """Its reply comes last, so a cookie of its own would be the one that stays."""
    async with visiting(touch_after=0) as visit:

        async def slow(session: Session) -> Any:
            assert await visit.browser.redeem(await visit.ticket()) == 204
            return look(session)

        assert await by(visit.browser, slow) == visit.before
        assert await visit.sees() == (visit.after, visit.after)


@pytest.mark.gen_test
async def test_a_request_that_was_saved_before_the_log_in_and_replies_after_it(visiting: Visiting) -> None:
    async with visiting() as visit:

        async def slow(session: Session) -> Any:
            session["early"] = 1
            await session.save()
            await asyncio.sleep(0.15)
            assert await visit.browser.redeem(await visit.ticket()) == 204

        await over_http(visit.browser, slow)
        seen = ("ada", visit.before[1] | {"early": 1})
        assert await visit.sees() == (seen, seen)


@pytest.mark.gen_test
async def test_a_touch_beside_a_log_in_does_not_make_the_note_live_on(visiting: Visiting) -> None:
    """The note that the session leaves holds its data, and where it went."""
    async with visiting(touch_after=0) as visit:
        key = visit.site.ss.session.key_for(visit.browser.id or "")
        await over_http(visit.browser, lambda session: visit.do(log_in))
        record = await visit.store.load(key)
        assert record is not None
        assert record.expires - time.time() < moved.KEPT


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
@pytest.mark.gen_test
async def test_a_request_that_began_before_the_log_in_does_not_write(visiting: Visiting, write: Step) -> None:
    async with visiting() as visit:

        async def slow(session: Session) -> Any:
            assert await visit.browser.redeem(await visit.ticket()) == 204
            result = write(session)
            return await result if asyncio.iscoroutine(result) else result

        with pytest.raises(RPCError) as refused:
            await over_http(visit.browser, slow)
        assert refused.value.code == -32001
        assert await visit.sees() == (visit.after, visit.after)


@pytest.mark.gen_test
async def test_nothing_of_a_user_is_read_after_the_log_out(visiting: Visiting) -> None:
    async with visiting() as visit:
        assert await visit.browser.redeem(await visit.ticket()) == 204
        await visit.do(put(secret=1))
        assert await over_http(visit.browser, look) == ("ada", visit.before[1] | {"secret": 1})
        await visit.do(log_out)
        assert await over_http(visit.browser, look) == NOBODY
        assert await over_post(visit.browser, look) == NOBODY
        async with visit.browser.socket() as socket:
            assert await over_socket(socket, visit.site.ss, look) == NOBODY


@pytest.mark.gen_test
async def test_the_old_cookie_reads_nothing_once_the_browser_has_the_new_one(visiting: Visiting) -> None:
    async with visiting() as visit:
        thief = visit.elsewhere()
        assert await visit.browser.redeem(await visit.ticket()) == 204
        old = thief.cookie
        assert await over_http(thief, look) == NOBODY
        assert await over_post(thief, look) == NOBODY
        with pytest.raises(RPCError, match="-32001"):
            await over_http(thief, put(late=1))
        assert thief.cookie == old
        assert await visit.sees() == (visit.after, visit.after)


@pytest.mark.gen_test
async def test_after_the_grace_the_old_cookie_is_nobodys(visiting: Visiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rpc_sessions.session.moved.GRACE", 0.3)
    async with visiting() as visit:
        await visit.do(log_in)
        stays = visit.elsewhere()
        await asyncio.sleep(0.4)
        assert await over_http(stays, look) == NOBODY
        await over_http(stays, put(mine=1))
        assert await over_http(stays, look) == (None, {"mine": 1})
        assert stays.cookie != visit.browser.cookie
        assert await visit.do() == visit.after
