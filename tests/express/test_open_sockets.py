"""An open WebSocket that makes no call hears of what Express does: from the store, or for files by looking often."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from tests.express.pair import Pair, Shared, Visitor
from tests.session.steps import put
from tests.waiting import until

Open = Callable[..., AbstractAsyncContextManager[Visitor]]


@pytest.fixture
def tells(pair: Pair, shared: Shared) -> Open:
    """Both sides; where the store tells of changes, we look by ourselves once an hour only."""

    @asynccontextmanager
    async def make(**options: object) -> AsyncIterator[Visitor]:
        async with pair(poll_interval=0.2 if shared.kind == "file" else 3600, **options) as ada:
            await ada.http(put(a=1))
            yield ada

    return make


@pytest.mark.parametrize("end", ["await done('destroy')", "await done('regenerate'); req.session.b = 2"])
@pytest.mark.gen_test
async def test_it_is_closed_when_express_ends_the_session(tells: Open, end: str) -> None:
    async with tells() as ada, ada.socket() as socket:
        await ada.express(end)
        assert (await socket.closed())[0] == 4401


@pytest.mark.gen_test
async def test_its_user_and_channels_are_what_express_says(tells: Open) -> None:
    async with tells() as ada, ada.socket() as socket:
        publish = ada.site.ss.publish
        await ada.express("req.session.userId = 7; req.session.channels = ['news']")
        await until(lambda: publish.user("7", "hello"))
        assert await socket.event() == ("hello", [])
        assert publish.channel("news", "headline") == 1
        await ada.express("delete req.session.userId; delete req.session.channels")
        await until(lambda: not publish.user("7", "hello"))
        assert publish.channel("news", "headline") == 0


@pytest.mark.gen_test
async def test_it_is_told_which_names_express_changed(tells: Open) -> None:
    async with tells(notify_changes=True) as ada, ada.socket() as socket:
        await ada.express("req.session.a = 2; req.session.b = 3")
        name, params = await socket.event()
        assert (name, dict(params)) == ("rpc.session", {"changed": ["a", "b"]})
