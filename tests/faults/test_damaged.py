"""A record is damaged, or a newer release wrote it: that is said, nothing is emptied, and mended it works again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from pymongo import MongoClient

from rpc_sessions import Store
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.memory import MemoryStore
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.session.stores.sql import SQLStore
from tests.apps import MakeServer, Site, serving
from tests.faults.ways import ADA, everywhere, log_in, refused, same_id, ways
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.steps import look, over_http, session_server

CORRUPT = "The stored session is corrupt"
NEWER = "The stored session is of a newer format"
NO_JSON = "The stored session cannot be read"


class Raw(NamedTuple):
    """A store, and what looks into it from outside: read(key), write(key, what was read)."""

    store: Store
    read: Callable[[str], Any]
    write: Callable[[str, Any], object]


@contextmanager
def memory(request: pytest.FixtureRequest) -> Iterator[Raw]:
    store = MemoryStore()
    yield Raw(store, store._records.__getitem__, store._records.__setitem__)


@contextmanager
def mongodb(request: pytest.FixtureRequest) -> Iterator[Raw]:
    uri, database = request.getfixturevalue("mongo_uri"), request.getfixturevalue("mongo_database")
    with MongoClient[Any](uri) as client:
        sessions = client[database]["sessions"]
        yield Raw(
            MongoStore(uri, database=database),
            lambda key: sessions.find_one({"_id": key}),
            lambda key, document: sessions.replace_one({"_id": key}, document),
        )


@contextmanager
def redis_server(request: pytest.FixtureRequest) -> Iterator[Raw]:
    server, own = request.getfixturevalue("redis_server"), request.getfixturevalue("own")

    with redis.Redis(port=server.port) as client:

        def read(key: str) -> Any:
            return client.hgetall(own + key), client.pexpiretime(own + key)

        def write(key: str, found: Any) -> None:
            fields, expires = found
            client.delete(own + key)
            client.hset(own + key, mapping=fields)
            client.pexpireat(own + key, expires)

        yield Raw(RedisStore(server.url, prefix=own), read, write)


@contextmanager
def file(request: pytest.FixtureRequest) -> Iterator[Raw]:
    folder: Path = request.getfixturevalue("tmp_path") / "sessions"

    def read(key: str) -> bytes:
        aside = folder / f"{key}.corrupt"
        return (aside if aside.exists() else folder / f"{key}.json").read_bytes()

    yield Raw(FileStore(folder), read, lambda key, text: (folder / f"{key}.json").write_bytes(text))


@contextmanager
def sqlite(request: pytest.FixtureRequest) -> Iterator[Raw]:
    path = request.getfixturevalue("tmp_path") / "sessions.db"

    def read(key: str) -> Any:
        with closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT * FROM rpc_sessions WHERE key = ?", (key,)).fetchone()

    def write(key: str, row: Any) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("REPLACE INTO rpc_sessions VALUES (?, ?, ?, ?, ?, ?)", row)

    yield Raw(SQLStore(f"sqlite+aiosqlite:///{path}"), read, write)


def with_changes(**changes: Any) -> Callable[[Any], Any]:
    """Damages a document."""
    return lambda found: {name: value for name, value in {**found, **changes}.items() if value is not ...}


def in_json(**changes: Any) -> Callable[[Any], Any]:
    """Damages a file."""
    return lambda found: json.dumps(with_changes(**changes)(json.loads(found))).encode()


def in_hash(**changes: Any) -> Callable[[Any], Any]:
    """Damages a hash of Redis."""
    fields = {name.encode(): value for name, value in changes.items()}
    return lambda found: (
        {name: value for name, value in {**found[0], **fields}.items() if value is not ...},
        found[1],
    )


def in_row(number: int, value: object) -> Callable[[Any], Any]:
    """Damages a row."""
    return lambda found: (*found[:number], value, *found[number + 1 :])


CASES: dict[str, tuple[Any, Callable[[Any], Any], str]] = {
    "memory, no JSON": (
        memory,
        lambda record: replace(record, data="{", token="damaged"),
        NO_JSON,
    ),
    "mongodb, half": (mongodb, with_changes(data='{"cart": {"te'), CORRUPT),
    "mongodb, no JSON": (mongodb, with_changes(data='{"cart":}'), NO_JSON),
    "mongodb, no data": (mongodb, with_changes(data=...), CORRUPT),
    "mongodb, no token": (mongodb, with_changes(token=None), CORRUPT),
    "mongodb, no date": (mongodb, with_changes(created="yesterday"), CORRUPT),
    "mongodb, newer": (mongodb, with_changes(v=2, data={"cart": 1}), NEWER),
    "redis, half": (redis_server, in_hash(data=b'{"cart": {"te'), CORRUPT),
    "redis, no text": (redis_server, in_hash(data=b"\xff\xfe"), CORRUPT),
    "redis, no data": (redis_server, in_hash(data=...), CORRUPT),
    "redis, no number": (redis_server, in_hash(created=b"yesterday"), CORRUPT),
    "redis, newer": (redis_server, in_hash(v=b"2", data=...), NEWER),
    "file, no JSON": (file, in_json(data="{"), NO_JSON),
    "file, half": (file, lambda text: text[:-9], CORRUPT),
    "file, empty": (file, lambda text: b"", CORRUPT),
    "file, newer": (file, in_json(v=2, data={"cart": 1}), NEWER),
    "sqlite, half": (sqlite, in_row(1, '{"cart": {"te'), CORRUPT),
    "sqlite, no number": (sqlite, in_row(2, "yesterday"), CORRUPT),
    "sqlite, no text": (sqlite, in_row(1, b"\xff"), CORRUPT),
}


@pytest.mark.parametrize(("kind", "damage", "message"), CASES.values(), ids=CASES.keys())
@pytest.mark.gen_test
async def test_it(
    make_server: MakeServer,
    request: pytest.FixtureRequest,
    logs: Logs,
    kind: Any,
    damage: Callable[[Any], Any],
    message: str,
) -> None:
    with kind(request) as raw:
        async with serving(session_server(make_server, raw.store)) as site:
            browser, other = Browser(site), Browser(site)
            await over_http(browser, log_in)
            await over_http(other, log_in)
            key, cookie = site.ss.session.key_for(str(browser.id)), browser.cookie
            async with browser.socket() as socket:
                good = raw.read(key)
                for do in ways(browser, socket):
                    raw.write(key, damage(good))
                    await refused(do, look, message)
                    assert raw.read(key) == damage(good)
                if message != NEWER:
                    assert site.ss.session.key_for(str(other.id)) in await keys_of_ada(site)
                raw.write(key, good)
                assert await everywhere(browser, socket, look) == [ADA] * 3
            assert same_id(browser.cookie, cookie)
    assert len(logs.take(f"(s.do|/do): {message}")) == 3
    if message == CORRUPT:
        assert len(logs.take(key)) >= 3, "the log does not say where"
    logs.take("503 (GET|POST)")


async def keys_of_ada(site: Site) -> list[str]:
    """A corrupt session hides no others."""
    return [info.key for info in await site.ss.session.of_user("ada")]
