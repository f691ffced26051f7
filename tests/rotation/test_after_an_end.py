"""Other tabs come back from a destroy() before the cookie that its ticket brings is there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rpc_sessions import RPCError, Session, StoreUnavailable
from rpc_sessions.session import expected, moved
from tests.rotation.conftest import NOBODY, Visiting
from tests.session.steps import look, over_socket, put


def destroy(session: Session) -> Any:
    """A step."""
    return session.destroy()


@pytest.mark.gen_test
async def test_after_an_end_it_waits_for_the_cookie_of_the_ticket(visiting: Visiting) -> None:
    """Each tab of an ended session connects anew: a cookie of its own would take the place of the ticket's."""
    async with visiting() as visit:
        ticket, tab = await visit.ticket(destroy), visit.elsewhere()
        old = tab.cookie
        async with tab.socket() as early:
            assert tab.cookie == old
            with pytest.raises(RPCError, match="Session ended"):
                await over_socket(early, visit.site.ss, look)
            assert await visit.browser.redeem(ticket) == 204
            assert await early.closed() == (4401, "session ended")
        async with tab.socket() as late:  # it was on its way before the cookie came
            assert tab.cookie == old
            assert await late.closed() == (4401, "session ended")
        await visit.do(put(new=1))
        assert await visit.sees() == ((None, {"new": 1}), (None, {"new": 1}))


@pytest.mark.gen_test
async def test_after_an_end_and_a_ticket_that_nobody_exchanged(
    visiting: Visiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moved, "GRACE", 0.1)
    async with visiting() as visit:
        await visit.ticket(destroy)
        old = visit.browser.cookie
        await asyncio.sleep(0.2)
        async with visit.browser.socket() as socket:
            assert await over_socket(socket, visit.site.ss, look) == NOBODY
            await over_socket(socket, visit.site.ss, put(new=1))
            for event in socket.events:
                await visit.browser.redeem(event["params"]["ticket"])
        assert visit.browser.cookie != old
        assert await visit.sees() == ((None, {"new": 1}), (None, {"new": 1}))


@pytest.mark.gen_test
@pytest.mark.parametrize("first", ["the page is left", "the tab comes"])
async def test_after_an_end_and_a_page_that_was_left(visiting: Visiting, first: str) -> None:
    """Nobody exchanges the ticket any more, so the others begin anew long before the grace is over."""
    async with visiting() as visit:
        await visit.ticket(destroy)
        if first == "the page is left":
            await visit.socket.connection.close()
        async with visit.browser.socket() as early:
            await visit.socket.connection.close()
            assert await early.closed(20) == (4401, "session ended")
        async with visit.browser.socket() as again:
            await over_socket(again, visit.site.ss, put(new=1))
            for event in again.events:
                await visit.browser.redeem(event["params"]["ticket"])
        assert await visit.sees() == ((None, {"new": 1}), (None, {"new": 1}))


@pytest.mark.gen_test
async def test_after_an_end_an_exchange_outlives_its_page(visiting: Visiting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected, "LEFT", 40.0)
    async with visiting() as visit:
        ticket, tab = await visit.ticket(destroy), visit.elsewhere()
        await visit.socket.connection.close()
        async with tab.socket() as early:
            assert tab.cookie == visit.browser.cookie
            assert await visit.browser.redeem(ticket) == 204
            assert await early.closed() == (4401, "session ended")


@pytest.mark.gen_test
async def test_after_an_end_without_a_ticket_nobody_waits(visiting: Visiting) -> None:
    async def away() -> None:
        raise StoreUnavailable

    async with visiting() as visit:
        visit.store.before["insert"] = away
        await visit.do(destroy)
        assert visit.socket.events == []
        async with visit.browser.socket() as tab:
            await over_socket(tab, visit.site.ss, put(new=1))
            assert await over_socket(tab, visit.site.ss, look) == (None, {"new": 1})
        await visit.do(put(other=1))
        assert await visit.next_ticket(), "the socket that ended it tells its browser with the first save"


@pytest.mark.gen_test
async def test_after_two_ends_it_waits_for_the_second_ticket(
    visiting: Visiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with visiting() as visit:
        monkeypatch.setattr(moved, "GRACE", 0.3)
        await visit.ticket(destroy)
        monkeypatch.setattr(moved, "GRACE", 40.0)
        ticket, tab = await visit.ticket(destroy), visit.elsewhere()
        await asyncio.sleep(0.6)  # the time of the first is over
        async with tab.socket() as early:
            assert tab.cookie == visit.browser.cookie
            assert await visit.browser.redeem(ticket) == 204
            assert await early.closed() == (4401, "session ended")


@pytest.mark.gen_test
async def test_an_end_by_a_socket_that_is_closed_changes_nothing(
    visiting: Visiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job of another tab ends it, too: that tab's socket was closed by the first end, and is sent no ticket."""
    monkeypatch.setattr(expected, "LEFT", 0.0)
    kept: list[Session] = []
    async with visiting() as visit, visit.browser.socket() as other:
        await over_socket(other, visit.site.ss, kept.append)
        ticket, tab = await visit.ticket(destroy), visit.elsewhere()
        await kept[0].destroy()
        async with tab.socket() as early:
            assert tab.cookie == visit.browser.cookie
            assert await visit.browser.redeem(ticket) == 204
            assert await early.closed() == (4401, "session ended")
