"""Two servers on one store: the log-in is at one, and the browser's next request at the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rpc_sessions import RPCError, Session, Store
from rpc_sessions.session.stores.file import FileStore
from tests.http.browser import Browser
from tests.live.conftest import SOON, Serve, Two, serve_two
from tests.rotation.conftest import CART, NOBODY, log_in, log_out
from tests.session.steps import look, over_http, over_post, over_socket, put
from tests.wire import Socket

__all__ = ["serve_two"]  # a fixture
KNOWN = pytest.mark.parametrize("known", [True, False], ids=["known", "first visit"])


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[[], Store]:
    return lambda: FileStore(tmp_path / "sessions")


@asynccontextmanager
async def at_both(servers: Two, *, known: bool) -> AsyncIterator[tuple[Browser, Browser, Socket]]:
    """A browser with a socket at the first; the same browser at the second; the socket."""
    one = Browser(servers.one)
    if known:
        await over_http(one, put(**CART))
    async with one.socket() as socket:
        yield one, servers.at_two(one), socket


async def ticket_of(socket: Socket) -> str:
    return str((await socket.event())[1]["ticket"])  # type: ignore[call-overload]  # the params of rpc.session


@KNOWN
@pytest.mark.gen_test
async def test_the_other_redeems_the_ticket(serve_two: Serve, known: bool) -> None:
    async with serve_two() as servers, at_both(servers, known=known) as (one, two, socket):
        thief = Browser(servers.two, one.cookie)
        await over_socket(socket, servers.one.ss, log_in)
        assert await two.redeem(await ticket_of(socket)) == 204
        one.cookie = two.cookie
        seen = ("ada", CART if known else {})
        for browser in (one, two):
            assert await over_http(browser, look) == await over_post(browser, look) == seen
        assert await over_socket(socket, servers.one.ss, look) == seen
        async with two.socket() as elsewhere:
            assert await over_socket(elsewhere, servers.two.ss, look) == seen
        for site in servers:
            thief.site = site
            assert await over_http(thief, look) == NOBODY


@KNOWN
@pytest.mark.gen_test
async def test_the_other_keeps_the_grace(serve_two: Serve, known: bool) -> None:
    async with serve_two() as servers, at_both(servers, known=known) as (_, two, socket):
        old = two.cookie
        await over_socket(socket, servers.one.ss, log_in)
        before = (None, CART if known else {})
        assert await over_http(two, look) == before
        for by in (over_http, over_post):
            with pytest.raises(RPCError, match="new cookie"):
                await by(two, put(late=1))
        async with two.socket() as early:
            assert await over_socket(early, servers.two.ss, look) == before
        assert two.cookie == old
        assert await two.redeem(await ticket_of(socket)) == 204
        assert await over_http(two, look) == ("ada", before[1])


@KNOWN
@pytest.mark.gen_test
async def test_the_others_reply_is_lost(serve_two: Serve, known: bool) -> None:
    async with serve_two() as servers, at_both(servers, known=known) as (one, two, socket):
        await over_socket(socket, servers.one.ss, log_in)
        ticket = await ticket_of(socket)
        assert await Browser(servers.two, two.cookie).redeem(ticket) == 204
        assert await one.redeem(ticket) == 403
        assert await socket.result("rpc.ticket") is True
        assert await two.redeem(await ticket_of(socket)) == 204
        assert (await over_http(two, look))[0] == "ada"


@pytest.mark.gen_test
async def test_after_a_log_out_the_other_reads_nothing(serve_two: Serve) -> None:
    async with serve_two(poll_interval=60) as servers, at_both(servers, known=True) as (_, two, socket):
        await over_socket(socket, servers.one.ss, log_in)
        assert await two.redeem(await ticket_of(socket)) == 204
        await over_socket(socket, servers.one.ss, log_out)
        assert await over_http(two, look) == await over_post(two, look) == NOBODY
        async with two.socket() as early:
            assert await over_socket(early, servers.two.ss, look) == NOBODY


@KNOWN
@pytest.mark.gen_test
async def test_a_socket_that_came_for_now_comes_back_in_time(
    serve_two: Serve, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve_two() as servers, at_both(servers, known=known) as (one, two, socket):
        await over_socket(socket, servers.one.ss, log_in)
        monkeypatch.setattr("rpc_sessions.session.moved.GRACE", 5)  # of the socket that comes now
        async with two.socket() as early:
            assert await one.redeem(await ticket_of(socket)) == 204
            assert await over_socket(early, servers.two.ss, look) == NOBODY
            assert await early.closed() == (4401, "session ended")
        two.cookie = one.cookie
        async with two.socket() as again:
            assert (await over_socket(again, servers.two.ss, look))[0] == "ada"


@pytest.mark.parametrize("saves", [True, False])
@pytest.mark.gen_test
async def test_a_slow_request_at_the_other_gives_no_old_cookie_back(serve_two: Serve, saves: bool) -> None:
    """Its reply comes last. One that reads is touched at its end."""
    async with serve_two(touch_after=0) as servers, at_both(servers, known=True) as (_, two, socket):

        async def slow(session: Session) -> None:
            if saves:
                await put(early=1)(session)
            await asyncio.sleep(0.15)
            await over_socket(socket, servers.one.ss, log_in)
            assert await two.redeem(await ticket_of(socket)) == 204

        await over_http(two, slow)
        assert await over_http(two, look) == ("ada", CART | ({"early": 1} if saves else {}))


@pytest.mark.gen_test
async def test_a_tab_at_the_other_follows(serve_two: Serve) -> None:
    async with serve_two() as servers, at_both(servers, known=True) as (one, two, socket), two.socket() as tab:
        await over_socket(socket, servers.one.ss, log_in)
        assert await over_socket(tab, servers.two.ss, look) == ("ada", CART)
        assert await one.redeem(await ticket_of(socket)) == 204
        await over_socket(socket, servers.one.ss, log_out)
        assert await over_socket(tab, servers.two.ss, look) == (None, CART)
        await over_socket(socket, servers.one.ss, lambda session: session.destroy())
        assert await tab.closed(SOON) == (4401, "session ended")
