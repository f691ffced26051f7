"""The SQL store: its table, what the databases make of texts, and databases that are locked, broken or read-only."""

# ruff: noqa: ASYNC240, SIM118 (nobody waits for this loop; keys() is that of a store, not of a dict)

from __future__ import annotations

import asyncio
import gc
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import StaticPool

from rpc_sessions import ConfigError, StoreUnavailable
from rpc_sessions.session.stores import sql
from rpc_sessions.session.stores.choice import StoreChoice
from rpc_sessions.session.stores.sql import SQLStore, ddl
from rpc_sessions.testing import a_key, a_record
from tests.logs import Logs
from tests.waiting import until

DATABASES = ["sqlite", "postgresql", "mariadb"]


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, sqlite_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{sqlite_path}"
    found: str = request.getfixturevalue(request.param).url
    return found


async def rows(engine: AsyncEngine, statement: str) -> Sequence[Sequence[object]]:
    async with engine.begin() as connection:
        return [tuple(row) for row in await connection.execute(text(statement))]


async def rows_changed(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


# -- the table -----------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_the_ddl_makes_the_table_that_the_store_uses(url: str, own: str) -> None:
    engine = create_async_engine(url)
    dialect = "mariadb" if "mysql" in url else engine.dialect.name
    async with engine.begin() as connection:
        for statement in ddl(dialect, own).split(";")[:-1]:
            await connection.execute(text(statement))
    store, key, record = SQLStore(url, table=own), a_key(), a_record(user_id="ada")
    assert await store.insert(key, record) is True
    assert await rows(engine, f"SELECT user_id, token FROM {own}") == [("ada", record.token)]
    await store.close()
    await engine.dispose()


@pytest.mark.gen_test
async def test_to_ask_for_the_table_makes_none(url: str, own: str) -> None:
    engine, store = create_async_engine(url), SQLStore(url, table=own)
    await rows(engine, "SELECT 1")  # so that SQLite has its file
    for _ in range(2):
        assert await store.lacks() == f"table {own} in its database"
    with pytest.raises(DBAPIError):
        await rows(engine, f"SELECT * FROM {own}")
    await store.insert(a_key(), a_record())
    assert await store.lacks() is None
    await store.close()
    assert await store.lacks() is None
    await store.close()
    await engine.dispose()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.db", "a.db"),
        ("file:a.db", "file:a.db"),  # no URI, unless the url says so
        ("file:a.db?uri=true", "a.db"),
        ("file:a%2523b.db?uri=true", "a#b.db"),
        ("file://{folder}/a.db?cache=shared&uri=true", "a.db"),
        ("file://localhost{folder}/a.db?uri=true", "a.db"),
    ],
)
@pytest.mark.gen_test
async def test_to_ask_for_the_file_of_sqlite_makes_none(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = SQLStore(f"sqlite+aiosqlite:///{name.format(folder=tmp_path)}")
    lacking = await store.lacks()
    assert lacking
    assert lacking.startswith(f"file {tmp_path / file}")
    assert list(tmp_path.iterdir()) == []
    await store.insert(a_key(), a_record())
    assert (tmp_path / file).is_file()
    assert await store.lacks() is None
    await store.close()


@pytest.mark.parametrize("name", ["", "/file:a?mode=memory&uri=true", "/file::memory:?uri=true"])
@pytest.mark.gen_test
async def test_a_database_in_memory_has_no_file(
    name: str, own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = create_async_engine(f"sqlite+aiosqlite://{name}", poolclass=StaticPool)
    store = SQLStore(engine=engine, table=own)
    assert await store.lacks() == f"table {own} in its database"
    await store.insert(a_key(), a_record())
    assert await store.lacks() is None
    await store.close()
    await engine.dispose()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dialect", [*DATABASES, "mysql"])
def test_the_ddl_names_what_matters(dialect: str) -> None:
    found = ddl(dialect, "app_sessions")
    assert found.startswith("CREATE TABLE app_sessions (")
    assert found.count(";\n") == found.count("CREATE") == 3
    assert "INDEX app_sessions_expires" in found
    assert "INDEX app_sessions_user_id" in found
    if dialect in ("mysql", "mariadb"):
        assert all(part in found for part in ("LONGTEXT", "utf8mb4_bin", "InnoDB"))


def test_the_ddl_of_an_unknown_database() -> None:
    with pytest.raises(ConfigError, match="no such database: 'dbase'"):
        ddl("dbase")


@pytest.mark.gen_test
async def test_sqlite_writes_ahead_and_syncs(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_PATIENCE", 5.0)
    store = SQLStore(f"sqlite+aiosqlite:///{sqlite_path}")
    await store.insert(a_key(), a_record())
    assert store._engine
    for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("busy_timeout", 4000)):
        assert await rows(store._engine, f"PRAGMA {pragma}") == [(value,)]
    await store.close()


@pytest.mark.gen_test
async def test_gc_and_keys_go_on_until_the_end(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_BATCH", 10)
    store, live = SQLStore(f"sqlite+aiosqlite:///{sqlite_path}"), {a_key() for _ in range(25)}
    for key in live:
        await store.insert(key, a_record())
        await store.insert(a_key(), a_record(lives=-1))
    assert {key async for key in store.keys()} == live
    assert await store.gc(time.time()) == 25
    assert {key async for key in store.keys()} == live
    await store.close()


# -- texts ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_users_are_told_apart_exactly(url: str, own: str) -> None:
    store, users = SQLStore(url, table=own), ["ada", "Ada", "ada ", " ada", "àda", "ａda", "ada\t", "🙂" * 255]
    keys = {user: a_key() for user in users}
    for user, key in keys.items():
        await store.insert(key, a_record(user_id=user))
    for user, key in keys.items():
        assert [found for found, _ in await store.find_by_user(user)] == [key]
    await store.close()


@pytest.mark.gen_test
async def test_a_user_id_that_no_column_holds_is_refused(url: str, own: str) -> None:
    store, key, record = SQLStore(url, table=own), a_key(), a_record()
    await store.insert(key, record)
    for user_id in ("x" * 256, "a\0b"):
        with pytest.raises(ValueError, match="a user id is"):
            await store.insert(a_key(), a_record(user_id=user_id))
        with pytest.raises(ValueError, match="a user id is"):
            await store.replace(key, a_record(user_id=user_id), record)
    assert await store.load(key) == record
    await store.close()


@pytest.mark.gen_test
async def test_several_megabytes_come_back(url: str, own: str) -> None:
    store, key, record = SQLStore(url, table=own), a_key(), a_record('{"a":"' + "🙂" * 1_000_000 + '"}')
    await store.insert(key, record)
    assert await store.load(key) == record
    await store.close()


# -- databases that do not do what they are asked ------------------------------------------------------


@pytest.mark.gen_test
async def test_a_locked_database_is_unavailable_in_time(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_PATIENCE", 1.0)
    store, key, record = SQLStore(f"sqlite+aiosqlite:///{sqlite_path}"), a_key(), a_record()
    await store.insert(key, record)
    other = sqlite3.connect(sqlite_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable) as caught:
        await store.replace(key, a_record(), record)
    # SQLite gives up a fifth earlier, and says why; on a slow machine it may come too late to say it.
    assert re.search("database is locked|did not answer within 1 s", str(caught.value.__cause__))
    assert await store.load(key) == record  # a reader does not wait
    other.execute("ROLLBACK")
    other.close()
    assert await store.replace(key, a_record(), record) is True
    await store.close()


@pytest.mark.gen_test
async def test_a_broken_database_is_left_as_it_is(sqlite_path: Path) -> None:
    sqlite_path.write_bytes(b"no database" * 1000)
    store = SQLStore(f"sqlite+aiosqlite:///{sqlite_path}")
    for call in (store.load(a_key()), store.insert(a_key(), a_record()), store.gc(time.time())):
        with pytest.raises(StoreUnavailable) as caught:
            await call
        assert "not a database" in str(caught.value.__cause__)
    assert sqlite_path.read_bytes() == b"no database" * 1000
    await store.close()


@pytest.mark.gen_test
async def test_a_table_of_another_release_is_left_as_it_is(url: str, own: str) -> None:
    store, engine, key = SQLStore(url, table=own), create_async_engine(url), a_key()
    await store.insert(key, a_record())
    await rows_changed(engine, f"ALTER TABLE {own} RENAME COLUMN data TO content")
    for call in (store.load(key), store.insert(a_key(), a_record()), store.replace(key, a_record(), a_record())):
        with pytest.raises(StoreUnavailable) as caught:
            await call
        assert "data" in caught.value.cause, "the cause does not name the column"
    assert await rows(engine, f"SELECT content FROM {own}") == [('{"n":1}',)]
    await rows_changed(engine, f"ALTER TABLE {own} RENAME COLUMN content TO data")
    assert await store.load(key)
    await store.close()
    await engine.dispose()


@pytest.mark.gen_test
async def test_a_full_disk_changes_nothing(full_disk: Path) -> None:
    store, key, record = SQLStore(f"sqlite+aiosqlite:///{full_disk}/sessions.db"), a_key(), a_record()
    await store.insert(key, record)
    with pytest.raises(StoreUnavailable) as caught:
        await store.replace(key, a_record('{"a":"' + "x" * 300_000 + '"}'), record)
    assert "disk" in str(caught.value.__cause__)
    assert await store.load(key) == record
    await store.close()


async def threads_ended() -> None:
    """No connection to SQLite is open. aiosqlite does not wait for its thread where it cannot connect."""
    await asyncio.sleep(0.1)
    await until(lambda: not [each for each in threading.enumerate() if "connection_worker" in each.name])


@pytest.mark.gen_test
async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    store = SQLStore(f"sqlite+aiosqlite:///{tmp_path}/missing/sessions.db")
    with pytest.raises(StoreUnavailable):
        await store.load(a_key())
    await store.close()
    await threads_ended()


@pytest.mark.gen_test
async def test_a_cancelled_call_that_fails_is_no_fault_to_log(tmp_path: Path, logs: Logs) -> None:
    store = SQLStore(f"sqlite+aiosqlite:///{tmp_path}/nowhere/sessions.db")
    calls = [asyncio.ensure_future(call) for call in (store.load(a_key()), store.insert(a_key(), a_record()))]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    await store.close()
    gc.collect()  # whose exception nobody has asked for says so when it goes
    await threads_ended()
    assert all(call.cancelled() for call in calls)
    assert not logs.records


async def insert_again(store: SQLStore, live: str) -> None:
    assert await store.insert(live, a_record()) is False


async def delete_twice(store: SQLStore, live: str) -> None:
    assert await store.delete(live) is True
    assert await store.delete(live) is False


async def sweep(store: SQLStore, live: str) -> None:
    await store.gc(time.time())


async def list_all(store: SQLStore, live: str) -> None:
    assert live in [key async for key in store.keys()]


@pytest.mark.parametrize("work", [insert_again, delete_twice, sweep, list_all], ids=lambda work: work.__name__)
@pytest.mark.gen_test
async def test_what_is_under_way_at_the_end_leaves_nothing_open(
    url: str, own: str, work: Callable[[SQLStore, str], Coroutine[None, None, None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_BATCH", 2)
    made: list[AsyncEngine] = []

    def make() -> AsyncEngine:
        made.append(create_async_engine(url))
        return made[-1]

    store, live = SQLStore(engine=make, table=own), a_key()
    await store.insert(live, a_record())
    for _ in range(9):
        await store.insert(a_key(), a_record(lives=-1))
        await store.insert(a_key(), a_record())
    working = asyncio.create_task(work(store, live))
    await asyncio.sleep(0)
    await store.close()
    await working
    assert len(made) == 1
    gc.collect()  # a connection that nobody closed says so when it goes
    await threads_ended()


@pytest.mark.gen_test
async def test_a_sweep_that_has_long_to_go_does_not_keep_the_store_from_closing(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_BATCH", 1)
    store, expired = SQLStore(f"sqlite+aiosqlite:///{sqlite_path}"), 20
    for _ in range(expired):
        await store.insert(a_key(), a_record(lives=-1))
    sweeping = asyncio.create_task(store.gc(time.time()))
    await asyncio.sleep(0)
    await store.close()
    swept = await sweeping
    assert swept <= 1
    assert await store.gc(time.time()) == expired - swept, "it does not sweep any more"
    await store.close()


@pytest.mark.gen_test
async def test_a_cancelled_write_is_done_or_not(url: str, own: str) -> None:
    store, key, record = SQLStore(url, table=own), a_key(), a_record()
    await store.insert(key, record)
    changed = a_record('{"n":2}')
    for pause in (0, 0, 0, 0.001, 0.002):
        task = asyncio.create_task(store.replace(key, changed, record))
        await asyncio.sleep(pause)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    found = await store.load(key)
    assert found in (record, changed)
    assert await store.touch(key, time.time() + 60) is True
    await store.close()


# -- ways to a database --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:///sessions.db", "would block the server"),
        ("postgresql://localhost/app", "would block the server"),
        ("dbase://localhost", "dbase"),
        ("sessions.db", "sessions.db"),
        ("sqlite+aiosqlite://", "in memory"),
        ("sqlite+aiosqlite:///:memory:", "in memory"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_at_once(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        SQLStore(url)


@pytest.mark.gen_test
async def test_what_cannot_be_an_engine_is_refused(sqlite_path: Path) -> None:
    with pytest.raises(ConfigError, match="would block the server"):
        SQLStore(engine=create_engine("sqlite://"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="takes an AsyncEngine"):
        SQLStore(engine="sqlite://")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="takes url="):
        SQLStore()
    with pytest.raises(ConfigError, match="takes url="):
        SQLStore("sqlite+aiosqlite:///a", engine=lambda: create_async_engine("sqlite+aiosqlite:///a"))
    late = SQLStore(engine=lambda: create_engine("sqlite://"))  # type: ignore[arg-type,return-value]
    with pytest.raises(ConfigError, match="would block the server"):
        await late.load(a_key())


@pytest.mark.gen_test
async def test_only_a_url_or_a_function_can_be_used_by_several_processes(sqlite_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{sqlite_path}"
    made = SQLStore(engine=lambda: create_async_engine(url))
    assert made.forks
    assert SQLStore(url).forks
    assert not SQLStore(engine=create_async_engine(url)).forks
    assert await made.insert(a_key(), a_record()) is True
    await made.close()


@pytest.mark.parametrize(
    ("module", "url", "extra"),
    [
        ("sqlalchemy", "sqlite+aiosqlite:///a", "sql"),
        ("aiosqlite", "sqlite+aiosqlite:///a", "sql"),
        ("asyncpg", "postgresql+asyncpg://localhost/a", "postgresql"),
        ("asyncmy", "mysql+asyncmy://localhost/a", "mysql"),
    ],
)
def test_a_missing_driver_is_said_at_once(module: str, url: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in {module, *sys.modules} if name.split(".")[0] == module]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf'{module} is missing: pip install "rpc-sessions\[{extra}\]"'):
        StoreChoice().use("sql", url=url)
