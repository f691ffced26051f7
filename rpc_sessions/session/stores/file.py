"""Sessions as files: one a session, in a folder that several processes of one machine may share.

    <key>.json       the session: {"v": 1, "data": ..., "created": ..., "expires": ..., "user_id": ..., "token": ...}
    <key>.tmp        the next version while it is written
    <key>.corrupt    what could not be read, kept aside
    .lock-00 ...     held for the moment of a compare-and-swap; the kernel frees the lock of a dead process

A version is written beside the old one, synced to disk and renamed over it: whatever dies in between,
a reader finds the old session or the new one. The modification time of a file is its expiry, so that
``gc`` opens only what has expired. The folder is on a local disk: locks over NFS are not to be relied on.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace as with_changes
from pathlib import Path

import msgspec

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session.stores.base import Record

_VERSION = 1
_LOCKS = 64
_PATIENCE = 5.0  # seconds to wait for a lock: its holder may be stopped, and a call has a deadline
_KEY = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger(__name__)


class _Header(msgspec.Struct):
    v: int


class _Content(msgspec.Struct):
    v: int
    data: str
    created: float
    expires: float
    user_id: str | None
    token: str


_header = msgspec.json.Decoder(_Header).decode
_content = msgspec.json.Decoder(_Content).decode


class _CorruptError(Exception):
    """A file that holds no session."""


class FileStore:
    """A store over one folder.

    path: the folder; it is made on first use, for its owner only (0700), and so are the files (0600).
    A file that cannot be read is renamed to ``<key>.corrupt`` and reported, in the log and as
    StoreUnavailable; one that a newer release wrote is left as it is, and is StoreUnavailable too.
    """

    def __init__(self, path: str | Path) -> None:
        self._folder = Path(path)

    async def load(self, key: str) -> Record | None:
        return await asyncio.to_thread(self._load, key)

    async def insert(self, key: str, record: Record) -> bool:
        return await asyncio.to_thread(self._change, key, lambda found: None if found else record)

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        def swap(found: Record | None) -> Record | None:
            return record if found and found.token == expected.token else None

        return await asyncio.to_thread(self._change, key, swap)

    async def touch(self, key: str, expires: float) -> bool:
        return await asyncio.to_thread(self._change, key, lambda found: found and with_changes(found, expires=expires))

    async def delete(self, key: str) -> bool:
        return await asyncio.to_thread(self._delete, key)

    async def gc(self, now: float) -> int:
        return await asyncio.to_thread(self._gc, now)

    async def close(self) -> None:
        """Nothing is kept open."""

    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        """Reads every file of the folder. StoreUnavailable if one is of a newer format."""
        return await asyncio.to_thread(self._find, lambda record: record.user_id == user_id)

    async def keys(self) -> AsyncIterator[str]:
        """Reads every file of the folder. StoreUnavailable if one is of a newer format."""
        for key, _ in await asyncio.to_thread(self._find, lambda record: True):
            yield key

    # -- in a thread: what blocks --------------------------------------------------------------------

    def _load(self, key: str) -> Record | None:
        with _failures():
            try:
                return _live(self._parse(key))  # no lock: a rename is atomic
            except _CorruptError:
                with self._lock(key):
                    return self._read(key)

    def _change(self, key: str, change: Callable[[Record | None], Record | None]) -> bool:
        """Compare and swap: what ``change`` makes of the live record is written; None: nothing is."""
        with _failures(), self._lock(key):
            record = change(self._read(key))
            if record is not None:
                self._write(key, record)
            return record is not None

    def _delete(self, key: str) -> bool:
        with _failures(), self._lock(key):
            live = self._read(key)
            self._path(key).unlink(missing_ok=True)
            _sync(self._folder)
            return live is not None

    def _gc(self, now: float) -> int:
        count = 0
        with _failures():
            for key in self._names(".tmp"):
                with self._lock(key):  # nobody is writing it now: its writer has died
                    self._path(key, ".tmp").unlink(missing_ok=True)
            for key in self._names(".json", until=now):
                with self._lock(key), suppress(StoreUnavailable):  # not ours to judge, or set aside
                    record = self._read(key, live=False)
                    if record and record.expires <= now:
                        self._path(key).unlink()
                        count += 1
        return count

    def _find(self, wanted: Callable[[Record], bool]) -> list[tuple[str, Record]]:
        found = []
        with _failures():
            for key in self._names(".json"):
                try:
                    record = _live(self._parse(key))
                except _CorruptError:  # a session nobody can use any more: no reason to hide the others
                    with self._lock(key), suppress(StoreUnavailable):
                        self._read(key)
                    continue
                if record and wanted(record):
                    found.append((key, record))
        return found

    # -- files ---------------------------------------------------------------------------------------

    def _path(self, key: str, suffix: str = ".json") -> Path:
        """ValueError for a key that is no SHA-256: no key leads out of the folder."""
        if not _KEY.fullmatch(key):
            raise ValueError(f"a key is 64 hexadecimal digits, not {key!r}")
        return self._folder / f"{key}{suffix}"

    def _names(self, suffix: str, until: float = float("inf")) -> list[str]:
        """The keys of the files that end so, and were last modified until then."""
        if not self._folder.is_dir():
            return []
        names = []
        for entry in os.scandir(self._folder):
            key = entry.name.removesuffix(suffix)
            with suppress(FileNotFoundError):  # deleted meanwhile
                if key != entry.name and _KEY.fullmatch(key) and entry.stat().st_mtime <= until:
                    names.append(key)
        return names

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        """Alone with the key, among all threads and processes."""
        name = f".lock-{int(self._path(key).name[:8], 16) % _LOCKS:02}"
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(self._folder.parent)
        descriptor = os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _flock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _read(self, key: str, *, live: bool = True) -> Record | None:
        """The record, with the lock held. A corrupt file is set aside: StoreUnavailable."""
        try:
            record = self._parse(key)
        except _CorruptError as error:
            aside = self._path(key, ".corrupt")
            os.replace(self._path(key), aside)
            _log.error("a session's file is corrupt, it is kept as %s: %s", aside, error)
            raise StoreUnavailable(f"A session's file is corrupt. It is kept as {aside.name}") from error
        return _live(record) if live else record

    def _parse(self, key: str) -> Record | None:
        """What the file holds, expired or not; None if there is none."""
        try:
            text = self._path(key).read_bytes()
        except FileNotFoundError:
            return None
        try:
            version = _header(text).v
            if version > _VERSION:
                raise StoreUnavailable(f"{key}.json has the format {version}, of a newer rpc_sessions than this")
            found = _content(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise _CorruptError(str(error)) from error
        return Record(found.data, found.created, found.expires, found.user_id, found.token)

    def _write(self, key: str, record: Record) -> None:
        """With the lock held, so that the temporary file is ours alone."""
        temporary = self._path(key, ".tmp")
        content = _Content(_VERSION, record.data, record.created, record.expires, record.user_id, record.token)
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(content))
                file.flush()
                os.utime(file.fileno(), (record.expires, record.expires))
                os.fsync(file.fileno())
            os.replace(temporary, self._path(key))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(self._folder)


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable from error


def _live(record: Record | None) -> Record | None:
    return record if record and record.expires > time.time() else None


def _flock(descriptor: int) -> None:
    """TimeoutError if somebody holds the lock too long."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise TimeoutError("another process has held a lock for too long") from None
            time.sleep(0.001)


def _sync(folder: Path) -> None:
    """Make renames and removals in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
