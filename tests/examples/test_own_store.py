"""examples/07_own_store"""

from __future__ import annotations

import asyncio
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rpc_sessions import Store, StoreUnavailable
from rpc_sessions.testing import a_key, a_record
from tests.examples.conftest import StartExample
from tests.examples.visitor import CallFailed, Visitor
from tests.processes import REPOSITORY

FOLDER = REPOSITORY / "examples" / "07_own_store"


def make_store(path: Path) -> Store:
    store: Store = importlib.import_module("rpc_sessions_sqlite3").Sqlite3Store(path)
    return store


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)


def test_its_own_tests_pass() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d+ passed", done.stdout.splitlines()[-1])


def test_a_session_outlives_the_server(start_example: StartExample, tmp_path: Path) -> None:
    file = str(tmp_path / "sessions.db")
    first = start_example("07_own_store", SESSIONS=file)
    visitor = Visitor(first.url)
    assert visitor.post("/visit").json == {"visits": 1}
    with visitor.websocket() as socket:
        assert socket.rpc("visits.read") == 1
    assert first.stop() == 0
    again = Visitor(start_example("07_own_store", SESSIONS=file).url, visitor.cookie)
    assert again.post("/visit").json == {"visits": 2}
    assert again.rpc("visits.forget") is None
    assert Visitor(f"http://{again.host}", visitor.cookie).rpc("visits.read") == 0


def test_two_servers_share_a_session(start_example: StartExample, tmp_path: Path) -> None:
    file = str(tmp_path / "sessions.db")
    one = Visitor(start_example("07_own_store", SESSIONS=file).url)
    assert one.post("/visit").json == {"visits": 1}
    other = Visitor(start_example("07_own_store", SESSIONS=file).url, one.cookie)
    with other.websocket() as socket:
        assert socket.rpc("visits.read") == 1
        assert one.post("/visit").json == {"visits": 2}
        assert socket.rpc("visits.read") == 2


def test_a_file_that_cannot_be_opened_is_no_empty_session(start_example: StartExample, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    server = start_example("07_own_store", SESSIONS=str(missing / "sessions.db"))
    visitor = Visitor(server.url)
    assert visitor.post("/visit").status == 503
    assert "unable to open database file" in server.output
    missing.mkdir()
    assert visitor.post("/visit").json == {"visits": 1}
    (missing / "sessions.db").write_bytes(b"no database" * 1000)
    again = start_example("07_own_store", SESSIONS=str(missing / "sessions.db"))
    with pytest.raises(CallFailed) as failure:
        Visitor(again.url, visitor.cookie).rpc("visits.read")
    assert failure.value.code == -32010


@pytest.mark.gen_test
async def test_of_many_writers_in_two_servers_one_wins(tmp_path: Path) -> None:
    stores = [make_store(tmp_path / "sessions.db") for _ in range(2)]
    key, record = a_key(), a_record()
    assert sum(await asyncio.gather(*(store.insert(key, record) for store in stores * 20))) == 1
    changed = [a_record(f'{{"n":{n}}}') for n in range(40)]
    won = await asyncio.gather(*(stores[n % 2].replace(key, changed[n], record) for n in range(40)))
    assert won.count(True) == 1
    assert await stores[0].load(key) == await stores[1].load(key) == changed[won.index(True)]
    for store in stores:
        await store.close()


@pytest.mark.gen_test
async def test_every_method_says_that_the_file_is_gone(tmp_path: Path) -> None:
    store, key, record = make_store(tmp_path / "missing" / "sessions.db"), a_key(), a_record()
    for call in (
        store.load(key),
        store.insert(key, record),
        store.replace(key, record, record),
        store.touch(key, 1.0),
        store.delete(key),
        store.gc(1.0),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            await call
        assert "unable to open" in caught.value.cause
    await store.close()


def list_sessions(file: Path) -> subprocess.CompletedProcess[str]:
    """What the command in the docstring of app.py says."""
    (line,) = re.findall(r"^    rpc-sessions (sessions .*)$", (FOLDER / "app.py").read_text(), re.MULTILINE)
    command = [Path(sys.executable).with_name("rpc-sessions"), *line.split()]
    env = {"SESSIONS": str(file)}
    return subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_line_sees_it(start_example: StartExample, tmp_path: Path) -> None:
    file = tmp_path / "sessions.db"
    Visitor(start_example("07_own_store", SESSIONS=str(file)).url).post("/visit")
    done = list_sessions(file)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 2)


def test_the_command_line_makes_no_file(tmp_path: Path) -> None:
    done = list_sessions(tmp_path / "elsewhere.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"there is no file {tmp_path}/elsewhere.db" in done.stderr
    assert list(tmp_path.iterdir()) == []
