"""A session that is gone stays gone: no write brings it back."""

from __future__ import annotations

from typing import Any

import pytest

from rpc_sessions import Session, SessionGone
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.session.steps import over_http, session_server
from tests.session.test_merging import begin, two_views
from tests.stores.doubles import WatchedStore, session_at

ENDS = {
    "destroy": lambda session: session.destroy(),
    "regenerate": lambda session: session.regenerate(),
    "log in": lambda session: session.set_user_id("ada"),
    "delete in the store": lambda session: session.store.delete(session.claim.key),
    "expire": lambda session: session.store.touch(session.claim.key, 1.0),
}
WRITES = {
    "save": lambda session: session.save(),
    "mutate": lambda session: session.mutate(lambda session: session.update(b=1)),
    "regenerate": lambda session: session.regenerate(),
    "regenerate without keeping": lambda session: session.regenerate(keep=False),
    "log in": lambda session: session.set_user_id("eve"),
    "subscribe": lambda session: session.channel.subscribe("news"),
    "load": lambda session: session.load(),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.gen_test
async def test_nothing_brings_a_session_back_that_is_gone(make_server: MakeServer, end: Any, write: Any) -> None:
    async def late(session: Session) -> None:
        session["a"] = 9
        for _ in range(2):
            with pytest.raises(SessionGone):
                await write(session)
        del session["a"]
        assert session.changed

    store = WatchedStore()
    async with serving(session_server(make_server, store)) as site:
        browser = Browser(site)
        await over_http(browser, begin)
        old = Browser(site, browser.cookie)
        id = old.id or ""
        with pytest.raises(SessionGone):
            await two_views(browser, end, lambda session: raising(late, session))
        assert await session_at(store.inner, site.ss.session.key_for(id)) is None
        assert await over_http(old, dict) == {}
        keys = [key async for key in store.inner.keys()]  # type: ignore[attr-defined]  # noqa: SIM118 (a MemoryStore)
        assert sum([await session_at(store.inner, key) is not None for key in keys]) <= 1


async def raising(step: Any, session: Session) -> None:
    await step(session)
    raise SessionGone
