"""The file store: what lies in its folder, and what happens when a disk or a file is not as it should be."""

# ruff: noqa: ASYNC240, SIM118 (nobody waits for this loop; keys() is that of a store, not of a dict)

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from rpc_sessions import ConfigError, RPCError, Store, StoreUnavailable
from rpc_sessions.session.stores import file_folder
from rpc_sessions.session.stores.choice import StoreChoice
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.testing import a_key, a_record
from tests.apps import MakeServer
from tests.logs import Logs

NOBODY = 65534
ALL: list[Callable[[FileStore, str], Awaitable[object]]] = [
    lambda store, key: store.load(key),
    lambda store, key: store.insert(key, a_record()),
    lambda store, key: store.replace(key, a_record(), a_record()),
    lambda store, key: store.touch(key, time.time() + 60),
    lambda store, key: store.delete(key),
]
NO_SESSIONS = [b"", b"{", b"[]", b"null", b'{"v":1}', b'{"v":"1"}', b"\xff\xfe", b"\0" * 300, b'{"v":1,"data":5}']


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sessions"


@pytest.fixture
def store(folder: Path) -> FileStore:
    return FileStore(folder)


@pytest.mark.gen_test
async def test_a_session_is_a_file_of_its_owner_only(folder: Path, store: FileStore) -> None:
    key, record = a_key(), a_record('{"a":"é"}', user_id="ada")
    before = os.umask(0)
    try:
        await store.insert(key, record)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert json.loads((folder / f"{key}.json").read_text("utf-8")) == {
        "v": 1,
        "data": '{"a":"é"}',
        "created": record.created,
        "expires": record.expires,
        "user_id": "ada",
        "token": record.token,
    }


@pytest.mark.parametrize("key", ["", "a" * 63, "A" * 64, "a" * 64 + "\n", "../" + "a" * 61, "/etc/passwd", "x/../y"])
@pytest.mark.parametrize("method", ALL)
@pytest.mark.gen_test
async def test_no_key_leads_out_of_the_folder(
    folder: Path, store: FileStore, key: str, method: Callable[[Store, str], Awaitable[object]]
) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal"):
        await method(store, key)
    assert not folder.exists()


@pytest.mark.gen_test
async def test_a_write_is_on_the_disk_before_it_takes_the_place_of_the_old_one(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, record, did = a_key(), a_record(), list[str]()
    await store.insert(key, record)
    fsync, replace = os.fsync, os.replace

    def seen_fsync(descriptor: int) -> None:
        did.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def seen_replace(old: Path, new: Path) -> None:
        did.append("rename")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(os, "replace", seen_replace)
    await store.replace(key, a_record(), record)
    assert did == ["sync file", "rename", "sync folder"]
    did.clear()
    await store.delete(key)
    assert did == ["sync folder"]  # a log-out lasts, too


# -- files that hold no session ------------------------------------------------------------------------


@pytest.mark.parametrize("text", NO_SESSIONS)
@pytest.mark.gen_test
async def test_a_corrupt_file_is_kept_aside(folder: Path, store: FileStore, text: bytes, logs: Logs) -> None:
    for method in ALL:
        key = a_key()
        await store.insert(key, a_record())
        (folder / f"{key}.json").write_bytes(text)
        with pytest.raises(StoreUnavailable, match="The stored session is corrupt"):
            await method(store, key)
        assert (folder / f"{key}.corrupt").read_bytes() == text
        assert not (folder / f"{key}.json").exists()
        assert logs.take(rf"kept as {folder}/{key}\.corrupt")


@pytest.mark.gen_test
async def test_half_a_file_is_corrupt(folder: Path, store: FileStore, logs: Logs) -> None:
    key = a_key()
    await store.insert(key, a_record())
    path = folder / f"{key}.json"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(StoreUnavailable):
        await store.load(key)
    logs.take("corrupt")


@pytest.mark.gen_test
async def test_a_corrupt_file_hides_no_other(folder: Path, store: FileStore, logs: Logs) -> None:
    good, bad = a_key(), a_key()
    for key in (good, bad):
        await store.insert(key, a_record(user_id="ada"))
    (folder / f"{bad}.json").write_bytes(b"{")
    assert [key async for key in store.keys()] == [good]
    (folder / f"{bad}.json").write_bytes(b"{")
    assert [key for key, _ in await store.find_by_user("ada")] == [good]
    (folder / f"{bad}.json").write_bytes(b"{")
    assert await store.gc(time.time() + 1) == 0
    assert (folder / f"{bad}.corrupt").exists()
    assert len(logs.take("corrupt")) == 3


@pytest.mark.gen_test
async def test_a_call_says_that_its_session_is_corrupt(make_server: MakeServer, folder: Path, logs: Logs) -> None:
    source = (
        'def actions(req, res, ss):\n    req.use("session")\n    async def get():\n        return 1\n    return [get]\n'
    )
    ss = make_server({"rpc/app.py": source})
    ss.session.store.use("file", path=folder)
    session = await ss.session.create({"a": 1})
    (folder / f"{ss.session.key_for(session.id)}.json").write_bytes(b"{")
    with pytest.raises(RPCError) as caught:
        await ss.rpc("app.get", session=session)
    assert caught.value.code == -32010
    logs.take("corrupt")


@pytest.mark.gen_test
async def test_a_newer_format_is_left_alone(folder: Path, store: FileStore) -> None:
    key, newer = a_key(), b'{"v": 2, "values": {"a": 1}}'
    await store.insert(key, a_record())
    path = folder / f"{key}.json"
    path.write_bytes(newer)
    for method in ALL:
        with pytest.raises(StoreUnavailable, match="of a newer format") as caught:
            await method(store, key)
        assert "the format 2, of a newer rpc_sessions" in caught.value.cause
    for listing in (store.find_by_user("ada"), anext(aiter(store.keys()))):
        with pytest.raises(StoreUnavailable, match="of a newer format"):
            await listing
    os.utime(path, (0, 0))
    assert await store.gc(time.time()) == 0
    assert path.read_bytes() == newer


# -- gc ------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_gc_leaves_what_is_not_its_own(folder: Path, store: FileStore) -> None:
    live, dead = a_key(), a_key()
    await store.insert(live, a_record())
    await store.insert(dead, a_record(lives=-1))
    ours = [folder / f"{live}.tmp", folder / f"{dead}.tmp"]  # their writers were killed
    others = [folder / "notes.tmp", folder / "notes.json", folder / f"{dead}.corrupt"]
    for path in (*ours, *others, folder / f"{live}.json"):
        path.touch()
        os.utime(path, (0, 0))  # as after a copy: the times of files are no proof
    assert await store.gc(time.time()) == 1
    assert not any(path.exists() for path in (*ours, folder / f"{dead}.json"))
    assert all(path.exists() for path in others)
    assert await store.load(live)


@pytest.mark.gen_test
async def test_an_empty_store_needs_no_folder(folder: Path, store: FileStore) -> None:
    assert await store.load(a_key()) is None
    assert await store.gc(time.time()) == 0
    assert [key async for key in store.keys()] == []
    assert not folder.exists()


# -- disks and locks -----------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_to_ask_for_the_folder_makes_none(folder: Path, store: FileStore) -> None:
    for _ in range(2):
        assert await store.lacks() == f"folder {folder}"
    assert not folder.exists()
    await store.insert(a_key(), a_record())
    assert await store.lacks() is None


@pytest.mark.gen_test
async def test_a_full_disk_changes_nothing(full_disk: Path) -> None:
    store = FileStore(full_disk / "sessions")
    key, record, large = a_key(), a_record(), a_record('{"a":"' + "x" * 300_000 + '"}')
    await store.insert(key, record)
    for write in (store.replace(key, large, record), store.insert(a_key(), large)):
        with pytest.raises(StoreUnavailable) as caught:
            await write
        assert isinstance(caught.value.__cause__, OSError)
    assert await store.load(key) == record
    assert [path.name for path in (full_disk / "sessions").iterdir() if path.suffix] == [f"{key}.json"]
    assert await store.replace(key, a_record(), record) is True  # there is room again


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A folder of this process's user, who is not root."""
    folder = Path(tempfile.mkdtemp())
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)  # root may write anywhere
    yield folder
    if os.getuid() == 0:
        os.seteuid(0)
    shutil.rmtree(folder)


@pytest.mark.gen_test
async def test_a_read_only_folder_can_be_read(nobodys: Path) -> None:
    store, key, record = FileStore(nobodys), a_key(), a_record()
    await store.insert(key, record)
    nobodys.chmod(0o500)
    for write in (store.insert(a_key(), record), store.replace(key, a_record(), record), store.touch(key, 0)):
        with pytest.raises(StoreUnavailable) as caught:
            await write
        assert isinstance(caught.value.__cause__, PermissionError)
    assert await store.load(key) == record
    with pytest.raises(StoreUnavailable):
        await store.delete(key)
    assert await store.load(key) == record
    nobodys.chmod(0o700)
    assert await store.delete(key) is True


@pytest.mark.gen_test
async def test_a_folder_that_may_not_be_read_is_not_an_empty_one(nobodys: Path) -> None:
    store, key = FileStore(nobodys), a_key()
    await store.insert(key, a_record())
    nobodys.chmod(0)
    with pytest.raises(StoreUnavailable):
        await store.load(key)
    with pytest.raises(StoreUnavailable):
        await store.find_by_user("ada")
    nobodys.chmod(0o700)


@pytest.mark.gen_test
async def test_to_ask_for_a_folder_that_may_not_be_looked_for_is_no_answer(nobodys: Path) -> None:
    inner = FileStore(nobodys / "inner" / "sessions")
    await inner.insert(a_key(), a_record())
    (nobodys / "inner").chmod(0)
    with pytest.raises(StoreUnavailable):
        await inner.lacks()
    (nobodys / "inner").chmod(0o700)
    assert await inner.lacks() is None


@pytest.mark.gen_test
async def test_a_folder_that_has_gone_is_not_an_empty_one(folder: Path, store: FileStore) -> None:
    """Its disk is not mounted any more: what is at its place is nothing, or an empty folder."""
    key, record, away = a_key(), a_record(user_id="ada"), folder.with_name("away")
    await store.insert(key, record)
    folder.rename(away)
    for _ in range(2):
        for method in ALL:
            with pytest.raises(StoreUnavailable) as caught:
                await method(store, key)
            assert "gone, or is another" in caught.value.cause
        for listing in (store.find_by_user("ada"), store.gc(time.time()), anext(aiter(store.keys()))):
            with pytest.raises(StoreUnavailable):
                await listing
        folder.mkdir(exist_ok=True)
        assert not list(folder.iterdir())
    folder.rmdir()
    away.rename(folder)
    assert await store.load(key) == record


@pytest.mark.parametrize("path", ["", " ", "\n"])
def test_an_empty_path_is_not_the_current_directory(path: str) -> None:
    with pytest.raises(ConfigError, match=r'path= of the file store is empty: name .*, as path="sessions"'):
        StoreChoice().use("file", path=path)


@pytest.mark.gen_test
async def test_a_path_that_becomes_a_file(folder: Path, store: FileStore) -> None:
    folder.touch()
    for method in ALL:
        with pytest.raises(StoreUnavailable):
            await method(store, a_key())


@pytest.mark.gen_test
async def test_a_lock_that_somebody_keeps_is_not_waited_for_for_ever(
    folder: Path, store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_folder, "_PATIENCE", 0.1)
    key, record = a_key(), a_record()
    await store.insert(key, record)
    (lock,) = folder.glob(".lock-*")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoreUnavailable) as caught:
            await store.touch(key, time.time() + 90)
        assert "held a lock" in str(caught.value.__cause__)
        assert await store.load(key) == record  # reading takes none
    assert await store.touch(key, time.time() + 90) is True


@pytest.mark.gen_test
async def test_a_cancelled_write_is_done_or_not(store: FileStore) -> None:
    key, record = a_key(), a_record()
    await store.insert(key, record)
    changed = a_record('{"n":2}')
    task = asyncio.create_task(store.replace(key, changed, record))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0.1)
    assert await store.load(key) in (record, changed)
    assert await store.touch(key, time.time() + 60) is True  # and no lock is left
