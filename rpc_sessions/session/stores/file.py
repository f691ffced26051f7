"""Sessions as files: one a session, in a folder that several processes of one machine may share.

    <key>.json       the session, see file_native.py and file_express.py
    <key>.tmp        the next version while it is written
    <key>.corrupt    what could not be read, kept aside
    .lock-00 ...     held for the moment of a compare-and-swap; the kernel frees the lock of a dead process

A version is written beside the old one, synced to disk and renamed over it: whatever dies in between,
a reader finds the old session or the new one. The modification time of a file is its expiry, so that
``gc`` opens only what has expired. The folder is on a local disk: locks over NFS are not to be relied on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from zlib import crc32

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.damaged import CORRUPT
from rpc_sessions.session.stores.express import checked_ttl, is_express
from rpc_sessions.session.stores.file_express import TTL, ExpressLayout
from rpc_sessions.session.stores.file_folder import Folder
from rpc_sessions.session.stores.file_native import CorruptError, Layout, NativeLayout
from rpc_sessions.session.stores.missing import missing
from rpc_sessions.types import Seconds

_LOCKS = 64

_log = logging.getLogger(__name__)


class FileStore:
    """A store over one folder.

    path: the folder; it is made on first use, for its owner only (0700), and so are the files (0600). One that goes
    away while the server runs is StoreUnavailable; an empty path is ConfigError.
    A file that cannot be read is renamed to ``<key>.corrupt`` and reported, in the log and as
    StoreUnavailable; one that a newer release wrote is left as it is, and is StoreUnavailable too.

    layout: "native", or "express" to share sessions with session-file-store, which must run as the same user.
    One more option then: ttl (seconds, or a timedelta), as session-file-store's of this name.
    """

    def __init__(self, path: str | Path, *, layout: str = "native", ttl: Seconds | None = None) -> None:
        self._folder = Folder(path)
        self.plain_ids = is_express(layout, ttl=ttl)
        self._layout: Layout = ExpressLayout(checked_ttl(ttl, TTL)) if self.plain_ids else NativeLayout()

    async def load(self, key: str) -> Record | None:
        return await asyncio.to_thread(self._load, key)

    async def insert(self, key: str, record: Record) -> bool:
        return await asyncio.to_thread(self._put, key, record, lambda found: found is None)

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        def unchanged(found: Record | None) -> bool:
            return found is not None and self._layout.is_same(found, expected)

        return await asyncio.to_thread(self._put, key, record, unchanged)

    async def touch(self, key: str, expires: float) -> bool:
        return await asyncio.to_thread(self._touch, key, expires)

    async def delete(self, key: str) -> bool:
        return await asyncio.to_thread(self._delete, key)

    async def gc(self, now: float) -> int:
        return await asyncio.to_thread(self._gc, now)

    async def close(self) -> None:
        """Nothing is kept open."""

    def check(self) -> None:
        """StoreUnavailable, whose cause names the folder and the reason, if it can be neither written nor made."""
        with self._failures():
            self._folder.check()

    async def lacks(self) -> str | None:
        """The folder, where nobody has made it."""
        with self._failures():
            return await missing("folder", self._folder.path)

    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        """Reads every file of the folder. StoreUnavailable if one is of a newer format."""
        return await asyncio.to_thread(self._find, lambda record: record.user_id == user_id)

    async def keys(self) -> AsyncIterator[str]:
        """Reads every file of the folder. StoreUnavailable if one is of a newer format."""
        for key, _ in await asyncio.to_thread(self._find, lambda record: True):
            yield key

    # -- in a thread: what blocks --------------------------------------------------------------------

    def _load(self, key: str) -> Record | None:
        with self._failures():
            try:
                return _live(self._parse(key))  # no lock: a rename is atomic
            except CorruptError:
                with self._lock(key):
                    return self._read(key)

    def _put(self, key: str, record: Record, may: Callable[[Record | None], bool]) -> bool:
        """Compare and swap: the record is written if ``may`` says so of the live one."""
        with self._failures(), self._lock(key):
            if not may(self._read(key)):
                return False
            text = self._layout.dump(record)
            if text is None:
                self._remove(key)
            else:
                self._write(key, text, record.expires)
            return True

    def _touch(self, key: str, expires: float) -> bool:
        with self._failures(), self._lock(key):
            if self._read(key) is None:
                return False
            try:
                text = self._path(key).read_bytes()
            except FileNotFoundError:  # an Express app knows no locks
                return False
            self._write(key, self._layout.touched(text, expires), expires)
            return True

    def _delete(self, key: str) -> bool:
        with self._failures(), self._lock(key):
            live = self._read(key)
            self._remove(key)
            return live is not None

    def _gc(self, now: float) -> int:
        count = 0
        with self._failures():
            for key in self._names(".tmp"):
                with self._lock(key):  # nobody is writing it now: its writer has died
                    self._path(key, ".tmp").unlink(missing_ok=True)
            for key in self._names(".json", until=now):
                with self._lock(key), suppress(StoreUnavailable):  # not ours to judge, or set aside
                    record = self._read(key, live=False)
                    if record and record.expires <= now:
                        self._path(key).unlink(missing_ok=True)
                        count += 1
        return count

    def _find(self, wanted: Callable[[Record], bool]) -> list[tuple[str, Record]]:
        found = []
        with self._failures():
            for key in self._names(".json"):
                try:
                    record = _live(self._parse(key))
                except CorruptError:  # a session nobody can use any more: no reason to hide the others
                    with self._lock(key), suppress(StoreUnavailable):
                        self._read(key)
                    continue
                if record and wanted(record):
                    found.append((key, record))
        return found

    # -- files ---------------------------------------------------------------------------------------

    def _path(self, key: str, suffix: str = ".json") -> Path:
        """ValueError for what is no key: none leads out of the folder."""
        if not self._layout.key.fullmatch(key):
            raise ValueError(f"a key is {self._layout.keys}, not {key!r}")
        return self._folder.path / f"{key}{suffix}"

    def _shown(self, path: Path) -> Path:
        """A path for the log. In layout express it holds a session id: the beginning of that will do."""
        secret = self.plain_ids and self._layout.key.fullmatch(path.stem)
        return path.with_name(f"{path.stem[:6]}...{path.suffix}") if secret else path

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable from self._told(error)

    def _told(self, error: OSError) -> OSError:
        if not error.filename:
            return error
        return OSError(error.errno, error.strerror, str(self._shown(Path(error.filename))))

    def _names(self, suffix: str, until: float = float("inf")) -> list[str]:
        """The keys of the files that end so, and were last modified until then."""
        if not self._folder.exists():
            return []
        names = []
        for entry in os.scandir(self._folder.path):
            key = entry.name.removesuffix(suffix)
            with suppress(FileNotFoundError):  # deleted meanwhile
                if key != entry.name and self._layout.key.fullmatch(key) and entry.stat().st_mtime <= until:
                    names.append(key)
        return names

    def _lock(self, key: str) -> AbstractContextManager[None]:
        """Alone with the key, among all threads and processes."""
        return self._folder.lock(f".lock-{crc32(self._path(key).name.encode()) % _LOCKS:02}")

    def _read(self, key: str, *, live: bool = True) -> Record | None:
        """The record, with the lock held. A corrupt file is set aside: StoreUnavailable."""
        try:
            record = self._parse(key)
        except CorruptError as error:
            aside = self._path(key, ".corrupt")
            os.replace(self._path(key), aside)
            _log.error("a session's file is corrupt, it is kept as %s: %s", self._shown(aside), error)
            raise StoreUnavailable(CORRUPT) from error
        return _live(record) if live else record

    def _parse(self, key: str) -> Record | None:
        """What the file holds, expired or not; None if there is none."""
        try:
            text = self._path(key).read_bytes()
        except FileNotFoundError:
            self._folder.exists()
            return None
        return self._layout.parse(text)

    def _write(self, key: str, text: bytes, expires: float) -> None:
        """With the lock held, so that the temporary file is ours alone."""
        temporary = self._path(key, ".tmp")
        try:
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(text)
                file.flush()
                os.utime(file.fileno(), (expires, expires))
                os.fsync(file.fileno())
            os.replace(temporary, self._path(key))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._folder.sync()

    def _remove(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)
        self._folder.sync()


def _live(record: Record | None) -> Record | None:
    return record if record and record.expires > time.time() else None
