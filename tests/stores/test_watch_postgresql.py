"""PostgreSQL tells by NOTIFY: what that costs, who may, what is in its way, and what is too much."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from rpc_sessions.session.stores import postgresql_listen
from rpc_sessions.session.stores.sql import SQLStore
from rpc_sessions.testing import Watcher, a_key, a_record
from tests.stores import servers
from tests.stores.servers import Server


@pytest.mark.gen_test
async def test_more_keys_than_are_kept_are_none(postgresql: Server, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql_listen, "_MOST", 10)
    store, other = SQLStore(postgresql.url, table=own), SQLStore(postgresql.url, table=own)
    watch = store.watch()
    assert await anext(watch) is None
    keys = [a_key() for _ in range(25)]
    for key in keys:
        await other.insert(key, a_record())
    heard = []
    while keys[-1] not in heard:
        heard.append(await anext(watch))
    assert heard == [None, *keys[-6:]]
    await watch.aclose()
    await store.close()
    await other.close()


@pytest.mark.gen_test
async def test_a_pooler_that_changes_connections_is_found_out(
    postgresql: Server, own: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Here the listener's connection goes to another database, so that what is notified does not arrive."""
    import asyncpg

    monkeypatch.setattr(postgresql_listen, "_PATIENCE", 2.0)
    databases = iter(["postgres"])

    async def connect(*arguments: Any, **options: Any) -> Any:
        return await asyncpg.connect(*arguments, **options | {"database": next(databases, "template1")})

    engine = create_async_engine(postgresql.url, connect_args={"async_creator_fn": connect}, pool_size=1)
    store = SQLStore(engine=lambda: engine, table=own)
    with caplog.at_level(logging.INFO, "rpc_sessions"):
        async with Watcher(store) as watcher:
            assert watcher.ended
            assert watcher.heard == []
    assert "pooler" in caplog.text
    await store.close()


@pytest.mark.gen_test
async def test_what_was_acknowledged_is_on_the_disk() -> None:
    """Many writes at once are committed before they are on the disk, and are acknowledged after."""
    with servers.postgresql() as server:
        store, keys = SQLStore(server.url), [a_key() for _ in range(60)]
        for start in range(0, len(keys), 5):
            await asyncio.gather(*(store.insert(key, a_record()) for key in keys[start : start + 5]))
        server.popen.send_signal(signal.SIGQUIT)  # nothing is written any more
        server.popen.wait()
        server.start()
        await asyncio.to_thread(servers.wait_until, lambda: servers.answers(server))
        for key in keys:
            assert await store.load(key)
        await store.close()


@pytest.mark.gen_test
async def test_writes_wait_for_the_disk_together(postgresql: Server, own: str) -> None:
    """PostgreSQL commits one transaction after the other that notifies, each with its wait."""
    slow_disk = {"commit_delay": "100000", "commit_siblings": "0"}  # 100 ms a commit
    options: dict[str, Any] = {"connect_args": {"server_settings": slow_disk}, "pool_size": 20}
    store = SQLStore(engine=lambda: create_async_engine(postgresql.url, **options), table=own)
    took = []
    for _ in range(2):  # the first time, connections are made
        start = time.monotonic()
        await asyncio.gather(*(store.insert(a_key(), a_record()) for _ in range(200)))
        took.append(time.monotonic() - start)
    assert took[1] < 200 * 0.1 / 2
    await store.close()


@pytest.mark.gen_test
async def test_an_ordinary_user_of_postgresql_can_write_and_watch(postgresql: Server, own: str) -> None:
    url, user = postgresql.url, f"user_{own[-8:]}"
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.execute(text(f"CREATE ROLE {user} LOGIN"))
        await connection.execute(text(f"CREATE SCHEMA AUTHORIZATION {user}"))
    store = SQLStore(url.replace("//test@", f"//{user}@"), table=own)
    keys = [a_key() for _ in range(20)]
    async with Watcher(store) as watcher:
        await asyncio.gather(*(store.insert(key, a_record()) for key in keys))
        await watcher.hears(*keys)
    await store.close()
    await engine.dispose()
