"""A WebSocket that comes with the old cookie: its first one was lost, or it is another tab's."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from rpc_sessions import RPCError, Session
from rpc_sessions.session import moved
from rpc_sessions.session.reserved import MOVED
from tests.rotation.conftest import NOBODY, Visit, Visiting, log_in
from tests.session.steps import Registered, look, over_http, over_socket, put
from tests.waiting import Gate, until
from tests.wire import request


def after_the_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the notes that were left until now are late."""
    monkeypatch.setattr(moved, "time", SimpleNamespace(time=lambda: time.time() + 50))


async def has_moved(visit: Visit) -> None:
    """Wait until there is a note under the id that the browser has."""
    key = visit.site.ss.session.key_for(visit.browser.id or "")
    async with asyncio.timeout(30):
        while True:
            record = await visit.store.inner.load(key)
            if record and MOVED in record.data:
                return
            await asyncio.sleep(0.01)


@pytest.mark.gen_test
async def test_it_reads_and_does_not_write(visiting: Visiting) -> None:
    async with visiting() as visit:
        ticket = await visit.ticket()
        old = visit.browser.cookie
        async with visit.browser.socket() as early:
            assert visit.browser.cookie == old
            assert await over_socket(early, visit.site.ss, look) == visit.before
            for write in (put(late=1), log_in, lambda session: session.destroy()):
                with pytest.raises(RPCError, match="new cookie") as refused:
                    await over_socket(early, visit.site.ss, write)
                assert refused.value.code == -32001
            assert await early.result("rpc.ticket") is False
        assert await visit.browser.redeem(ticket) == 204
        assert await visit.sees() == (visit.after, visit.after)


@pytest.mark.gen_test
async def test_it_comes_back_when_the_ticket_was_exchanged(visiting: Visiting) -> None:
    async with visiting() as visit:
        ticket = await visit.ticket()
        async with visit.browser.socket() as early:
            assert await visit.browser.redeem(ticket) == 204
            assert await early.closed() == (4401, "session ended")
        assert await visit.do() == visit.after
        assert await visit.sees() == (visit.after, visit.after)


@pytest.mark.gen_test
async def test_it_is_closed_when_its_time_is_over(visiting: Visiting, monkeypatch: pytest.MonkeyPatch) -> None:
    async with visiting() as visit:
        await visit.do(log_in)
        monkeypatch.setattr(moved, "GRACE", 0.1)
        async with visit.browser.socket() as early:
            assert await early.closed() == (4401, "session ended")
        assert await over_http(visit.browser, look) == visit.before
        after_the_grace(monkeypatch)
        assert await visit.sees() == (NOBODY, NOBODY)
        assert await visit.do() == visit.after, "the one that logged in stays"


@pytest.mark.gen_test
async def test_the_socket_is_lost_before_its_ticket_came(visiting: Visiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log-in's reply is lost, too: the page says so, and its user logs in again."""
    async with visiting() as visit:
        done, gate = asyncio.Event(), Gate()

        async def then_lost(session: Session) -> Any:
            await session.set_user_id("ada")
            done.set()

        visit.store.before["insert"] = gate
        step = Registered(visit.site.ss, then_lost)
        await visit.socket.send(request("s.do", [step.name]))
        await gate.reached()
        visit.socket.connection.transport.abort()
        await until(lambda: not visit.site.ss.publish.session(visit.browser.id or "", "anybody there?"))
        gate.let_go()
        await has_moved(visit)
        assert not done.is_set(), "the call ends with its connection, the log-in does not"
        async with visit.browser.socket() as again:
            assert await over_socket(again, visit.site.ss, look) == visit.before
        monkeypatch.setattr(moved, "GRACE", 0.1)
        async with visit.browser.socket() as again:
            assert (await again.closed())[0] == 4401
        after_the_grace(monkeypatch)
        async with visit.browser.socket() as again:
            await over_socket(again, visit.site.ss, log_in)
            await visit.browser.take_ticket(again)
            assert await over_socket(again, visit.site.ss, look) == ("ada", {})
        assert await visit.sees() == (("ada", {}), ("ada", {}))


@pytest.mark.gen_test
async def test_a_tab_that_was_open_follows_without_a_ticket(visiting: Visiting) -> None:
    async with visiting() as visit, visit.browser.socket() as tab:
        ticket = await visit.ticket()
        assert await over_socket(tab, visit.site.ss, look) == visit.after
        assert tab.events == []
        assert await visit.browser.redeem(ticket) == 204
        await over_socket(tab, visit.site.ss, put(tab=1))
        assert tab.events == []
        assert (await visit.do())[1]["tab"] == 1
        assert await over_http(visit.browser, look) == ("ada", visit.before[1] | {"tab": 1})


@pytest.mark.gen_test
async def test_the_handshake_sets_no_cookie(visiting: Visiting) -> None:
    async with visiting() as visit:
        await visit.do(log_in)
        async with visit.browser.socket() as early:
            response = early.connection.response
            assert response is not None
            assert "Set-Cookie" not in response.headers
