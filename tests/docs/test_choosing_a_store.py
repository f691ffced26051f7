"""What docs/choosing-a-store.md says is true: its programs run on real servers, its numbers are those of the code."""

from __future__ import annotations

import json
import re
import signal
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import redis
from pymongo import MongoClient
from sqlalchemy import create_engine, text

from rpc_sessions import Session, Store
from rpc_sessions.session import moved, sweep, ticket
from rpc_sessions.session.options import SessionOptions
from rpc_sessions.session.stores import choice, damaged, file_folder, mongodb_setup, redis_client, sql
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.memory import MemoryStore
from rpc_sessions.session.stores.mongodb import MongoStore
from rpc_sessions.session.stores.redis import RedisStore
from rpc_sessions.session.stores.sql import SQLStore, ddl
from rpc_sessions.testing import a_key, a_record
from rpc_sessions.transport import timers
from rpc_sessions.types import seconds
from tests.apps import MakeServer, serving
from tests.conftest import StartProcess
from tests.examples.visitor import Visitor
from tests.http.browser import Browser
from tests.processes import REPOSITORY, Process, find_free_port
from tests.requirements import needs
from tests.session.steps import Step, look, over_http, over_socket, put, session_server
from tests.stores import servers
from tests.stores.doubles import WatchedStore
from tests.test_readme import blocks

PAGE = (REPOSITORY / "docs" / "choosing-a-store.md").read_text()
PROSE = " ".join(PAGE.split())
APP = next(block for block in blocks(PAGE, "python") if block.startswith("# app.py\n"))
CHOICES = {
    first.removeprefix("# in app.py, with "): rest
    for first, rest in (block.split("\n", 1) for block in blocks(PAGE, "python"))
    if first.startswith("# in app.py, with ")
}
Places = Mapping[str, str]


# -- the programs --------------------------------------------------------------------------------------


@contextmanager
def nothing(request: pytest.FixtureRequest) -> Iterator[Places]:
    yield {}


@contextmanager
def folder(request: pytest.FixtureRequest) -> Iterator[Places]:
    yield {"/var/lib/app": str(request.getfixturevalue("tmp_path"))}


@contextmanager
def postgresql(request: pytest.FixtureRequest) -> Iterator[Places]:
    with servers.postgresql() as server:
        yield {"postgresql+asyncpg://user@localhost/app": server.url}


@contextmanager
def mariadb(request: pytest.FixtureRequest) -> Iterator[Places]:
    with servers.mariadb() as server:
        yield {"mysql+asyncmy://user@localhost/app": server.url}


@contextmanager
def a_redis(request: pytest.FixtureRequest) -> Iterator[Places]:
    with servers.redis_server() as server:
        yield {"redis://localhost:6379/0": server.url}


@contextmanager
def a_mongodb(request: pytest.FixtureRequest) -> Iterator[Places]:
    yield {
        "mongodb://localhost:27017": request.getfixturevalue("mongo_uri"),
        '"app")': f'"{request.getfixturevalue("mongo_database")}")',
    }


SERVERS: dict[str, Callable[[pytest.FixtureRequest], Any]] = {
    "memory": nothing,
    "files": folder,
    "SQLite": folder,
    "PostgreSQL": postgresql,
    "MySQL": mariadb,
    "Redis": a_redis,
    "MongoDB": a_mongodb,
    "MongoDB and Motor": a_mongodb,
}


def write_app(folder: Path, name: str, places: Places, port: int) -> None:
    """The page's app.py with one of its stores, and with other places than those it names."""
    begin, main, end = APP.partition("\nif __name__ ==")
    program = begin + CHOICES[name] + main + end
    for said, real in {**places, "3000": str(port)}.items():
        assert said in program
        program = program.replace(said, real)
    (folder / "app.py").write_text(program)


@pytest.mark.parametrize("name", CHOICES)
def test_each_store_works_as_it_is_set_up(
    name: str, request: pytest.FixtureRequest, start_process: StartProcess, tmp_path: Path
) -> None:
    with SERVERS[name](request) as places:
        port = find_free_port()
        write_app(tmp_path, name, places, port)
        server = start_process(["app.py"], port, cwd=tmp_path)
        visitor = Visitor(server.url)
        assert [visitor.get("/visit").json["visit"] for _ in range(2)] == [1, 2]
        assert server.stop() == 0
        again = Visitor(start_process(["app.py"], port, cwd=tmp_path).url, visitor.cookie)
        assert again.get("/visit").json["visit"] == (1 if name == "memory" else 3)


def test_redis_as_it_is_set_up_forgets_nothing(start_process: StartProcess, tmp_path: Path) -> None:
    (conf,) = blocks(PAGE, "conf")
    port, app_port = find_free_port(), find_free_port()
    (tmp_path / "redis.conf").write_text(f"{conf}port {port}\ndir {tmp_path}\nbind 127.0.0.1\n")
    write_app(tmp_path, "Redis", {"localhost:6379": f"127.0.0.1:{port}"}, app_port)
    with Process([needs("redis"), tmp_path / "redis.conf"], port) as server:
        app = start_process(["app.py"], app_port, cwd=tmp_path)
        visitor = Visitor(app.url)
        assert visitor.get("/visit").json == {"visit": 1}
        server.popen.send_signal(signal.SIGKILL)
        server.popen.wait()
        server.start()
        assert visitor.get("/visit").json == {"visit": 2}
    assert "evicts" not in app.output


def test_the_names_are_those_that_are_there() -> None:
    said = {name for cells in rows("you have | take") for name in re.findall(r"^`(\w+)`|, `(\w+)`", cells[1])}
    there = {point.name for point in entry_points(group=choice.GROUP)}
    assert {name for pair in said for name in pair if name} <= there
    assert {re.findall(r"`(\w+)`", cells[0])[0] for cells in rows("| shared by")} == there


# -- what is promised ----------------------------------------------------------------------------------


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose header row has this in it."""
    lines = PAGE.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("|") and header in line)
    table = lines[begin + 2 :]
    end = next((i for i, line in enumerate(table) if not line.startswith("|")), len(table))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[:end]]


async def log_in(session: Session) -> None:
    await session.set_user_id("ada")


COSTS: dict[str, Step] = {
    "a first visit that writes nothing": look,
    "the first save": put(a=1),
    "a call that reads the session": look,
    "a call that saves": put(a=2),
    "a log-in": log_in,
}


@pytest.mark.gen_test
async def test_a_call_costs_what_it_says(make_server: MakeServer) -> None:
    store = WatchedStore()
    store.shared = True
    counted: dict[str, list[int]] = {}
    async with serving(session_server(make_server, store)) as site:
        one, other = Browser(site), Browser(site)
        async with other.socket() as socket:
            for name, step in COSTS.items():
                counted[name] = []
                for call in (over_http(one, step), over_socket(socket, site.ss, step)):
                    store.forget()
                    await call
                    counted[name].append(len(store.calls))
    assert {cells[0]: [int(cells[1]), int(cells[2])] for cells in rows("| over HTTP | over WebSocket")} == counted


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"`poll_interval` is {seconds(SessionOptions().poll_interval):.0f} seconds" in PROSE
    patience = {sql._PATIENCE, redis_client._PATIENCE, file_folder._PATIENCE, mongodb_setup._PATIENCE_MS / 1000}
    assert patience == {5.0}
    assert set(re.findall(r"(?:within|after|for) (\d) seconds", PROSE)) == {"5"}
    assert sweep.STEADY == 5 * 60
    assert "steady for 5 minutes" in PROSE
    assert (sweep.JUMP, timers.SWEEP_EVERY) == (60, 60)
    assert f"tickets ({ticket.LIFETIME:.0f} seconds)" in PROSE
    assert moved.KEPT == 60
    assert MemoryStore.__init__.__defaults__ == (100_000,)
    for sentence in (damaged.CORRUPT, damaged.NEWER, "Session store full", "Session store unavailable"):
        assert f"`{sentence}`" in PROSE


@pytest.mark.gen_test
async def test_a_session_in_memory_takes_half_a_kilobyte() -> None:
    store = MemoryStore()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(1000):
        await store.insert(a_key(), a_record(user_id="ada"))
    each = (tracemalloc.get_traced_memory()[0] - before) / 1000
    tracemalloc.stop()
    assert 256 < each < 640


@pytest.mark.gen_test
async def test_a_table_that_is_made_by_hand_will_do(tmp_path: Path) -> None:
    (table,) = blocks(PAGE, "sql")
    assert table.replace(");", ")").split() == ddl("sqlite").split(";")[0].split()
    engine = create_engine(f"sqlite:///{tmp_path}/sessions.db")
    with engine.begin() as connection:
        connection.execute(text(table))
    engine.dispose()
    store = SQLStore(f"sqlite+aiosqlite:///{tmp_path}/sessions.db")
    assert await store.insert(a_key(), a_record())
    await store.close()


def shown(first: str) -> set[str]:
    """The fields of a session as the page shows it: of the block whose text has this in it."""
    (found,) = [block for block in blocks(PAGE, "json") if first in block]
    return set(json.loads(found))


@pytest.mark.gen_test
async def test_a_session_looks_as_it_says(tmp_path: Path, mongo_uri: str, mongo_database: str) -> None:
    key, record = a_key(), a_record()

    async def kept(store: Store) -> None:
        await store.insert(key, record)
        await store.close()

    await kept(MongoStore(mongo_uri, database=mongo_database))
    with MongoClient[Any](mongo_uri) as client:
        assert shown("$date") == set(client[mongo_database]["sessions"].find_one({"_id": key}) or ())
    await kept(FileStore(tmp_path))
    assert shown('"v": 1') == set(json.loads((tmp_path / f"{key}.json").read_text()))
    with servers.redis_server() as server:
        await kept(RedisStore(server.url))
        with redis.Redis(port=server.port or 0, decode_responses=True) as asked:
            assert shown('"1893456000.0"') == set(asked.hgetall(f"rpc_sessions:{key}"))


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        path, _, anchor = link.partition("#")
        target = REPOSITORY / "docs" / path if path else REPOSITORY / "docs" / "choosing-a-store.md"
        headings = [line.lstrip("# ").lower() for line in target.read_text().splitlines() if line.startswith("#")]
        anchors = {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, link


@pytest.mark.parametrize(
    ("use", "says"),
    [
        ('ss.session.store.use("memory")', "each process has sessions of its own"),
        ('from redis.asyncio import Redis\nss.session.store.use("redis", client=Redis())', "does not survive a fork"),
    ],
)
def test_what_is_not_for_several_processes_is_said(
    use: str, says: str, start_process: StartProcess, tmp_path: Path
) -> None:
    port = find_free_port()
    app = APP.replace("\nif __name__", f"{use}\n\nif __name__").replace("port=3000", f"port={port}, processes=2")
    (tmp_path / "app.py").write_text(app)
    server = start_process(["app.py"], cwd=tmp_path)
    servers.wait_until(lambda: says in server.output)
