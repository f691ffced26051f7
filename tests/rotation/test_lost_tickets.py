"""A ticket that is lost, late, used or in the wrong hands; and the next one, which rpc.ticket brings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from rpc_sessions.session import cookie
from rpc_sessions.session.browsers import MOST_RENEWALS
from tests.apps import SECRET, MakeServer, serving
from tests.http.browser import Browser, set_cookies
from tests.logs import Logs
from tests.rotation.conftest import NOBODY, Visit, Visiting, log_in
from tests.session.steps import look, over_http, put
from tests.wire import post_call


async def logged_in(visit: Visit) -> None:
    assert await visit.sees() == (visit.after, visit.after)
    assert await visit.do() == visit.after


@pytest.mark.gen_test
async def test_the_reply_to_the_exchange_is_lost(visiting: Visiting) -> None:
    """The server took the ticket, the browser has its old cookie: it tries again, and asks for another."""
    async with visiting() as visit:
        ticket = await visit.ticket()
        assert await visit.elsewhere().redeem(ticket) == 204  # this reply reaches nobody
        assert await visit.browser.redeem(ticket) == 403
        assert await over_http(visit.browser, look) == NOBODY
        assert await visit.browser.redeem(await visit.another()) == 204
        await logged_in(visit)


@pytest.mark.gen_test
async def test_the_notification_is_lost(visiting: Visiting) -> None:
    """Or a client threw it away: nothing was redeemed yet."""
    async with visiting() as visit:
        await visit.do(log_in)
        visit.socket.events.clear()
        assert await visit.browser.redeem(await visit.another()) == 204
        await logged_in(visit)


@pytest.mark.gen_test
async def test_a_ticket_is_used_twice(visiting: Visiting) -> None:
    async with visiting() as visit:
        ticket = await visit.ticket()
        assert await visit.browser.redeem(ticket) == 204
        mine = visit.browser.cookie
        response = await visit.browser.post_json("/rpc/session", {"ticket": ticket})
        assert (response.code, set_cookies(response)) == (403, [])
        assert visit.browser.cookie == mine
        await logged_in(visit)


@pytest.mark.gen_test
async def test_a_ticket_is_used_by_several_at_once(visiting: Visiting) -> None:
    """The store answers late, so all of them have read it before the first one takes it."""
    async with visiting() as visit:
        ticket = await visit.ticket()
        tries = [visit.elsewhere() for _ in range(5)]
        visit.store.slow = {"replace": 0.02, "delete": 0.02}
        codes = await asyncio.gather(*(each.redeem(ticket) for each in tries))
        assert sorted(codes) == [204] + [403] * 4


@pytest.mark.gen_test
async def test_a_ticket_is_late(visiting: Visiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine slept, say. The grace is over by then, the socket is still there."""
    async with visiting() as visit:
        with monkeypatch.context() as short:
            short.setattr("rpc_sessions.session.ticket.LIFETIME", 0.1)
            short.setattr("rpc_sessions.session.moved.GRACE", 0.1)
            ticket = await visit.ticket()
        await asyncio.sleep(0.2)
        assert await over_http(visit.browser, look) == NOBODY
        assert await visit.browser.redeem(ticket) == 403
        assert await visit.browser.redeem(await visit.another()) == 204
        await logged_in(visit)


def with_no_cookie(visit: Visit) -> Browser:
    return Browser(visit.site)


def with_a_forged_one(visit: Visit) -> Browser:
    id = visit.browser.id or ""
    return Browser(visit.site, f"connect.sid={cookie.sign(id, 'a secret of somebody')}")


def with_another_id(visit: Visit) -> Browser:
    return Browser(visit.site, f"connect.sid={cookie.sign(cookie.new_id(), SECRET)}")


OTHERS = [with_no_cookie, with_a_forged_one, with_another_id]


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.gen_test
async def test_a_ticket_in_the_hands_of_another_browser(visiting: Visiting, other: Callable[[Visit], Browser]) -> None:
    async with visiting() as visit:
        ticket = await visit.ticket()
        thief = other(visit)
        response = await thief.post_json("/rpc/session", {"ticket": ticket})
        assert (response.code, set_cookies(response)) == (403, [])
        assert await over_http(thief, look) == NOBODY
        assert await visit.browser.redeem(ticket) == 204, "the refusal has spent it"
        await logged_in(visit)


@pytest.mark.gen_test
async def test_a_ticket_in_the_hands_of_somebody_with_a_session(visiting: Visiting) -> None:
    async with visiting() as visit:
        eve = Browser(visit.site)
        await over_http(eve, lambda session: session.set_user_id("eve"))
        ticket = await visit.ticket()
        assert await eve.redeem(ticket) == 403
        assert await over_http(eve, look) == ("eve", {})
        assert await visit.browser.redeem(ticket) == 204
        await logged_in(visit)


@pytest.mark.gen_test
async def test_the_browser_got_another_cookie_meanwhile(visiting: Visiting) -> None:
    """It logged in elsewhere, or its cookies were removed: no ticket of the old session changes that."""
    async with visiting() as visit:
        ticket = await visit.ticket()
        visit.browser.cookie = ""
        await over_http(visit.browser, lambda session: session.set_user_id("eve"))
        assert await visit.browser.redeem(ticket) == 403
        assert await visit.browser.redeem(await visit.another()) == 403
        assert await visit.sees() == (("eve", {}), ("eve", {}))


# ---------------------------------------------------------------- who may ask for another


@pytest.mark.gen_test
async def test_nobody_is_sent_a_ticket_who_needs_none(visiting: Visiting) -> None:
    async with visiting() as visit:
        assert await visit.socket.result("rpc.ticket") is False
        await visit.do(put(mine=1))
        assert await visit.socket.result("rpc.ticket") is False
        await over_http(visit.browser, log_in)
        async with visit.browser.socket() as tab:
            assert await tab.result("rpc.ticket") is False
        assert await visit.browser.rpc("rpc.ticket") is False
        assert (await post_call(visit.site, "rpc.ticket"))["result"] is False
        async with Browser(visit.site).socket() as stranger:
            assert await stranger.result("rpc.ticket") is False
            assert stranger.events == []


@pytest.mark.parametrize("by", ["HTTP", "a socket"])
@pytest.mark.gen_test
async def test_a_browser_that_has_shown_the_new_cookie_needs_none(visiting: Visiting, by: str) -> None:
    async with visiting() as visit:
        assert await visit.browser.redeem(await visit.ticket()) == 204
        if by == "HTTP":
            await over_http(visit.browser, look)
        else:
            async with visit.browser.socket():
                pass
        assert await visit.socket.result("rpc.ticket") is False


@pytest.mark.gen_test
async def test_a_server_without_sessions_has_no_tickets(make_server: MakeServer) -> None:
    async with serving(make_server({})) as site, Browser(site).socket() as socket:
        assert await socket.result("rpc.ticket") is False
        assert (await socket.call("rpc.ticket", 1))["error"]["code"] == -32602


@pytest.mark.gen_test
async def test_the_store_is_not_flooded_with_tickets(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.do(log_in)
        visit.store.forget()
        batch = [{"jsonrpc": "2.0", "id": number, "method": "rpc.ticket"} for number in range(30)]
        for _ in range(3):
            await visit.socket.send(json.dumps(batch))
            await visit.socket.reply()
        assert len(visit.store.writes) == MOST_RENEWALS
        assert await visit.browser.redeem(await visit.next_ticket()) == 204, "each of them is good"
        await logged_in(visit)
        await visit.ticket(lambda session: session.regenerate())
        assert await visit.socket.result("rpc.ticket") is True, "another id, another beginning"


@pytest.mark.gen_test
async def test_the_store_is_away_when_a_ticket_is_asked_for(visiting: Visiting, logs: Logs) -> None:
    async with visiting() as visit:
        ticket = await visit.ticket()
        visit.store.down = True
        assert (await visit.socket.call("rpc.ticket"))["error"]["code"] == -32010
        assert await visit.browser.redeem(ticket) == 503
        visit.store.down = False
        assert await visit.browser.redeem(await visit.another()) == 204
        await logged_in(visit)
        assert await visit.browser.redeem(ticket) == 403
    logs.take("503 POST")
