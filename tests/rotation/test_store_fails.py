"""A store that fails in the middle of a log-in or of an exchange: the client's tries bring it to its end."""

from __future__ import annotations

import pytest

from rpc_sessions import RPCError
from tests.logs import Logs
from tests.rotation.conftest import Visit, Visiting, log_in
from tests.session.steps import look, over_http


async def exchange_again(visit: Visit, ticket: str) -> int:
    """What the JS client does after a failure: it tries once more, then asks for another ticket."""
    status = await visit.browser.redeem(ticket)
    return status if status == 204 else await visit.browser.redeem(await visit.another())


@pytest.mark.parametrize("succeed", range(8))
@pytest.mark.gen_test
async def test_the_store_fails_in_an_exchange(visiting: Visiting, succeed: int, logs: Logs) -> None:
    async with visiting() as visit:
        ticket = await visit.ticket()
        visit.store.fail_after = succeed
        status = await visit.browser.redeem(ticket)
        visit.store.fail_after = None
        assert status in (204, 503)
        if status == 503:
            logs.take("503 POST")
            assert await exchange_again(visit, ticket) == 204
        assert await visit.sees() == (visit.after, visit.after)
        assert await visit.do() == visit.after


@pytest.mark.parametrize("succeed", range(8))
@pytest.mark.gen_test
async def test_the_store_fails_in_a_log_in(visiting: Visiting, succeed: int) -> None:
    """The call says so, and can be tried again; until then nothing is lost, here or there."""
    async with visiting() as visit:
        visit.store.fail_after = succeed
        code = 0
        try:
            await visit.do(log_in)
        except RPCError as error:
            code = error.code
        visit.store.fail_after = None
        assert code in (0, -32010)
        if code:
            assert (await visit.do())[1] == visit.before[1]
            assert await over_http(visit.browser, look) == visit.before
            await visit.do(log_in)
        for event in visit.socket.events:
            await visit.browser.redeem(event["params"]["ticket"])
        assert await visit.sees() == (visit.after, visit.after)
        assert await visit.do() == visit.after
