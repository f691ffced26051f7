"""Real stores that say no: their drivers tell much of what was asked, and the log none of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from pymongo import MongoClient

from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.logs import Logs
from tests.security.leaks import VALUE, Secrets, anyway
from tests.security.people import log_in
from tests.session.steps import look, over_http, over_post, over_socket, put, session_server
from tests.stores.servers import redis_server

layouts = pytest.mark.parametrize("layout", ["native", "express"])


async def use_it(site: Site, secrets: Secrets, damage: Callable[[], object]) -> None:
    """Store sessions, damage the store, and use them."""
    ada = Browser(site)
    await over_http(ada, put(password=VALUE))
    secrets.meet_cookie(ada)
    async with ada.socket() as socket:
        damage()
        await anyway(over_http(ada, look), over_post(ada, put(a=VALUE)), over_http(ada, secrets.meeting(log_in)))
        await anyway(over_socket(socket, site.ss, put(b=VALUE)))
        await anyway(over_http(Browser(site), secrets.meeting(put(c=VALUE))))


@layouts
@pytest.mark.parametrize("kind", ["damaged", "unreadable"])
@pytest.mark.gen_test
async def test_files(
    kind: str, layout: str, make_server: MakeServer, tmp_path: Path, logs: Logs, no_leaks: Secrets
) -> None:
    ss, folder = session_server(make_server), tmp_path / "sessions"
    ss.session.store.use("file", path=folder, layout=layout)

    def damage() -> None:
        (path,) = folder.glob("*.json")
        if kind == "damaged":
            path.write_text("{")
        else:
            path.unlink()
            path.mkdir()

    async with serving(ss) as site:
        await use_it(site, no_leaks, damage)
    assert logs.take("is corrupt" if kind == "damaged" else "Is a directory: '.*json'")


@pytest.mark.parametrize("kind", ["trigger", "table"])
@pytest.mark.gen_test
async def test_sql(kind: str, make_server: MakeServer, tmp_path: Path, logs: Logs, no_leaks: Secrets) -> None:
    ss, file = session_server(make_server), tmp_path / "sessions.db"
    ss.session.store.use("sql", url=f"sqlite+aiosqlite:///{file}")
    trigger = "CREATE TRIGGER no_{0} BEFORE {0} ON rpc_sessions BEGIN SELECT RAISE(ABORT, 'the trigger says no'); END"
    triggers = [trigger.format(action) for action in ("INSERT", "UPDATE")]

    def damage() -> None:
        database = sqlite3.connect(file)
        for statement in triggers if kind == "trigger" else ["DROP TABLE rpc_sessions"]:
            database.execute(statement)
        database.commit()
        database.close()

    async with serving(ss) as site:
        await use_it(site, no_leaks, damage)
    assert logs.take("the trigger says no" if kind == "trigger" else "no such table")


@layouts
@pytest.mark.gen_test
async def test_mongodb(
    layout: str, make_server: MakeServer, mongo_uri: str, mongo_database: str, logs: Logs, no_leaks: Secrets
) -> None:
    ss = session_server(make_server)
    ss.session.store.use("mongodb", uri=mongo_uri, database=mongo_database, layout=layout)

    def damage() -> None:
        with MongoClient[dict[str, object]](mongo_uri) as client:
            client[mongo_database]["sessions"].update_many({}, {"$set": {"session": "{", "data": "{"}})

    async with serving(ss) as site:
        await use_it(site, no_leaks, damage)
    assert logs.take("-32010")


@layouts
@pytest.mark.parametrize("kind", ["damaged", "of another kind"])
@pytest.mark.gen_test
async def test_redis(kind: str, layout: str, make_server: MakeServer, logs: Logs, no_leaks: Secrets) -> None:
    ss = session_server(make_server)
    with redis_server() as server:

        def damage() -> None:
            with redis.Redis.from_url(server.url) as client:
                for key in client.keys("*"):
                    kept = client.type(key)
                    client.delete(key)
                    if kind == "damaged" and kept == b"string":
                        client.set(key, "{")
                    else:
                        client.rpush(key, "{")

        ss.session.store.use("redis", url=server.url, layout=layout)
        async with serving(ss) as site:
            await use_it(site, no_leaks, damage)
    assert logs.take("-32010")
