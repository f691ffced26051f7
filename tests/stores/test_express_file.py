"""``layout="express"`` in files: names, modes, ``__lastAccess``, and what is not its own."""

# ruff: noqa: ASYNC240 (nobody waits for this loop)

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from rpc_sessions import ConfigError, Store
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.testing import a_record
from tests.apps import MakeServer
from tests.logs import Logs
from tests.stores.express_raw import ID
from tests.stores.worker import make_sessions, open_session

COOKIE = {"originalMaxAge": 60_000, "expires": "2030-01-01T00:00:00.000Z", "httpOnly": True, "path": "/"}
ALL: list[Callable[[Store, str], Awaitable[object]]] = [
    lambda store, key: store.load(key),
    lambda store, key: store.insert(key, a_record()),
    lambda store, key: store.replace(key, a_record(), a_record()),
    lambda store, key: store.touch(key, time.time() + 60),
    lambda store, key: store.delete(key),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder, layout="express")


def put(folder: Path, session: dict[str, Any], id: str = ID) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{id}.json"
    path.write_text(json.dumps(session), "utf-8")
    return path


@pytest.mark.gen_test
async def test_a_session_is_a_file_of_its_owner_only(folder: Path, store: FileStore) -> None:
    record = a_record('{"a":"é"}', lives=60)
    await store.insert(ID, record)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    session = json.loads((folder / f"{ID}.json").read_text("utf-8"))
    assert list(session) == ["cookie", "a", "rpc.created", "__lastAccess"]
    assert session["__lastAccess"] == round((record.expires - 60) * 1000)


@pytest.mark.parametrize(
    "key",
    ["", "a" * 15, "a" * 129, "a" * 32 + "\n", "../" + "a" * 61, "/etc/passwd-passwd", "x" * 20 + "/../y", "é" * 20],
)
@pytest.mark.parametrize("method", ALL)
@pytest.mark.gen_test
async def test_no_key_leads_out_of_the_folder(
    folder: Path, store: FileStore, key: str, method: Callable[[Store, str], Awaitable[object]]
) -> None:
    with pytest.raises(ValueError, match="16 to 128"):
        await method(store, key)
    assert not folder.exists()


@pytest.mark.gen_test
async def test_a_touch_changes_the_times_and_nothing_else(folder: Path, store: FileStore) -> None:
    before = {"big": 2**60, "cookie": COOKIE, "toString": 1, "z": 1, "a": {"b": []}}
    path = put(folder, before | {"__lastAccess": int(time.time() * 1000)})
    ends = time.time() + 90
    assert await store.touch(ID, ends) is True
    after = json.loads(path.read_text("utf-8"))
    assert after.pop("__lastAccess") == round((ends - 60) * 1000)
    assert abs(datetime.fromisoformat(after["cookie"].pop("expires")).timestamp() - ends) < 0.002
    assert list(after) == list(before)
    assert after == before | {"cookie": {name: value for name, value in COOKIE.items() if name != "expires"}}


@pytest.mark.parametrize(
    ("age", "last", "lives"),
    [
        (60_000, -50, True),
        (60_000, -70, False),
        (None, -3_500, True),
        (None, -3_700, False),
        (0, -3_500, True),
        (-1, 0, False),
        (60_000, None, True),
    ],
)
@pytest.mark.gen_test
async def test_what_has_expired_is_what_has_for_session_file_store(
    folder: Path, store: FileStore, age: int | None, last: int | None, lives: bool
) -> None:
    used = {} if last is None else {"__lastAccess": int((time.time() + last) * 1000)}
    path = put(folder, {"cookie": COOKIE | {"originalMaxAge": age}, **used})
    assert (await store.load(ID) is not None) is lives
    os.utime(path, (0, 0))
    assert await store.gc(time.time()) == (not lives)
    assert path.exists() is lives


@pytest.mark.gen_test
async def test_last_access_is_no_value_of_the_session(folder: Path) -> None:
    put(folder, {"cookie": COOKIE, "__lastAccess": int(time.time() * 1000)})
    sessions = make_sessions("file", {"path": str(folder), "layout": "express"})
    session = await open_session(sessions, ID)
    assert dict(session) == {}
    session["__lastAccess"] = 5
    with pytest.raises(ValueError, match="__lastAccess"):
        await session.save()
    assert session.record == await sessions.store.current.load(ID)


@pytest.mark.gen_test
async def test_files_of_others_are_left_alone(folder: Path, store: FileStore, logs: Logs) -> None:
    put(folder, {"name": "app"}, "package")
    (folder / f"{ID}.json.2839014").write_text("{")  # session-file-store is about to rename it
    put(folder, {"cookie": COOKIE, "__lastAccess": 0})
    assert await store.gc(time.time() + 1) == 1
    assert await store.find_by_user("ada") == []
    assert sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) == [
        f"{ID}.json.2839014",
        "package.json",
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"layout": "session-file-store"}, '"native" or "express"'),
        ({"ttl": 60}, r'ttl= is an option of layout="express"'),
        ({"layout": "express", "ttl": -1}, "ttl="),
        ({"layout": "express", "prefix": "sess:"}, "prefix"),
    ],
)
def test_a_wrong_set_up_is_a_clear_error(options: dict[str, object], says: str, make_server: MakeServer) -> None:
    with pytest.raises(ConfigError, match=says):
        make_server({}).session.store.use("file", path="/nowhere", **options)
