"""Rotations in quick succession, and ends: what the browser holds in the end is the last session, or none."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import Any

import pytest

from rpc_sessions import RPCError, Session
from tests.rotation.conftest import NOBODY, Visit, Visiting, log_in, log_out
from tests.session.steps import look, over_http, over_socket, put


def regenerate(session: Session) -> Any:
    return session.regenerate()


async def redeem_all(visit: Visit, tickets: list[str]) -> list[int]:
    return [await visit.browser.redeem(ticket) for ticket in tickets]


@pytest.mark.parametrize("order", [*permutations(range(3))])
@pytest.mark.gen_test
async def test_tickets_in_any_order_bring_the_last_session(visiting: Visiting, order: tuple[int, ...]) -> None:
    """A ticket that comes after its successor is refused: the way back is closed."""
    async with visiting() as visit:
        tickets = [await visit.ticket(step) for step in (log_in, regenerate, regenerate)]
        codes = await redeem_all(visit, [tickets[number] for number in order])
        newest = [max(order[: place + 1]) == number for place, number in enumerate(order)]
        assert codes == [204 if good else 403 for good in newest]
        assert await visit.sees() == (visit.after, visit.after)
        assert await visit.do() == visit.after


@pytest.mark.gen_test
async def test_the_last_of_two_tickets_alone_will_do(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.ticket(log_in)
        assert await visit.browser.redeem(await visit.ticket(regenerate)) == 204
        assert await visit.sees() == (visit.after, visit.after)


@pytest.mark.gen_test
async def test_the_last_of_two_tickets_is_lost(visiting: Visiting) -> None:
    async with visiting() as visit:
        first = await visit.ticket(log_in)
        await visit.ticket(regenerate)
        assert await visit.browser.redeem(first) == 204
        between = visit.browser.cookie
        assert await over_http(visit.browser, look) == visit.after, "the same user reads on"
        with pytest.raises(RPCError, match="new cookie"):
            await over_http(visit.browser, put(late=1))
        assert visit.browser.cookie == between
        assert await visit.browser.redeem(await visit.another()) == 204
        assert await visit.sees() == (visit.after, visit.after)


@pytest.mark.gen_test
async def test_two_tabs_rotate_at_once(visiting: Visiting) -> None:
    """Each has a ticket then, and they exchange them in any order."""
    async with visiting() as visit, visit.browser.socket() as tab:
        await asyncio.gather(over_socket(tab, visit.site.ss, log_in), visit.do(regenerate))
        tickets = [socket.events.pop()["params"]["ticket"] for socket in (tab, visit.socket) if socket.events]
        codes = await redeem_all(visit, tickets)
        if codes[-1] != 204:  # the client of the tab that was last asks for another
            for socket in (tab, visit.socket):
                if await socket.result("rpc.ticket"):
                    await visit.browser.take_ticket(socket)
        assert await visit.sees() == (visit.after, visit.after)
        assert await visit.do() == visit.after


@pytest.mark.parametrize("order", [*permutations(range(2))])
@pytest.mark.gen_test
async def test_log_in_and_out_at_once(visiting: Visiting, order: tuple[int, ...]) -> None:
    async with visiting() as visit:
        tickets = [await visit.ticket(step) for step in (log_in, log_out)]
        await redeem_all(visit, [tickets[number] for number in order])
        assert await visit.sees() == (visit.before, visit.before)
        assert await visit.do() == visit.before
        await visit.do(put(goes="on"))
        assert (await over_http(visit.browser, look))[1]["goes"] == "on"


@pytest.mark.gen_test
async def test_between_log_in_and_out_no_cookie_reads_the_user(visiting: Visiting) -> None:
    async with visiting() as visit:
        first = await visit.ticket(log_in)
        await visit.do(put(secret=1))
        await visit.ticket(log_out)
        assert await over_http(visit.browser, look) == visit.before
        assert await visit.browser.redeem(first) == 204
        assert await over_http(visit.browser, look) == NOBODY


@pytest.mark.gen_test
async def test_a_ticket_brings_nobody_back_who_was_destroyed(visiting: Visiting) -> None:
    """By the socket that logged in: it goes on with a new session, and its own ticket."""
    async with visiting() as visit:
        first = await visit.ticket(log_in)
        second = await visit.ticket(lambda session: session.destroy())
        await redeem_all(visit, [first])
        assert await over_http(visit.browser, look) == NOBODY
        assert await visit.browser.redeem(second) == 204
        assert await visit.sees() == (NOBODY, NOBODY)
        await visit.do(put(new=1))
        for event in visit.socket.events:
            await visit.browser.redeem(event["params"]["ticket"])
        assert await visit.sees() == ((None, {"new": 1}), (None, {"new": 1}))


@pytest.mark.parametrize("how", ["another tab", "by its key"])
@pytest.mark.gen_test
async def test_a_ticket_brings_nobody_back_who_was_ended_elsewhere(visiting: Visiting, how: str) -> None:
    async with visiting() as visit, visit.browser.socket() as tab:
        ticket = await visit.ticket(log_in)
        if how == "another tab":
            await over_socket(tab, visit.site.ss, lambda session: session.destroy())
            await visit.browser.take_ticket(tab)
        else:
            assert await visit.site.ss.session.end(await visit.do(lambda session: session.claim.key))
        assert await visit.socket.closed() == (4401, "session ended")
        await visit.browser.redeem(ticket)
        assert await visit.sees() == (NOBODY, NOBODY)
        await over_http(visit.browser, put(new=1))
        assert await visit.sees() == ((None, {"new": 1}), (None, {"new": 1}))


@pytest.mark.gen_test
async def test_without_its_data(visiting: Visiting) -> None:
    """regenerate(keep=False): whoever has the old cookie reads nothing either."""
    async with visiting() as visit:
        await visit.do(put(secret=1))
        ticket = await visit.ticket(lambda session: session.regenerate(keep=False))
        assert await over_http(visit.browser, look) == NOBODY
        assert await visit.browser.redeem(ticket) == 204
        await visit.do(put(new=1))
        assert await visit.sees() == ((None, {"new": 1}), (None, {"new": 1}))
