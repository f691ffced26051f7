"""The folder of the file store: whether it is there, the locks in it, and what makes its changes last."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from rpc_sessions.errors import ConfigError

_PATIENCE = 5.0  # seconds to wait for a lock: its holder may be stopped, and a call has a deadline


class Folder:
    """Made on first use, for its owner only (0700). ConfigError for an empty path; its methods raise OSError."""

    def __init__(self, path: str | Path) -> None:
        if not str(path).strip():  # Path("") is the current directory, whatever that is today
            raise ConfigError('path= of the file store is empty: name the folder of the sessions, as path="sessions"')
        self.path = Path(path)
        self._seen: tuple[int, int] | None = None  # which folder it is

    def exists(self) -> bool:
        """False if there never was one. FileNotFoundError if it is gone, or is another.

        Where a disk is no longer mounted nobody's session has ended.
        """
        before, self._seen = self._seen, self._identity()
        if before not in (None, self._seen):
            self._seen = before
            raise FileNotFoundError(errno.ENOENT, "The sessions' folder is gone, or is another now", str(self.path))
        return self._seen is not None

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def check(self) -> None:
        """OSError, which names the folder, if it can be neither written nor made. Nothing stays of the try."""
        self.exists()
        try:
            there = next(path for path in (self.path, *self.path.parents) if path.exists())
            with TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Alone with the lock of this name, among all threads and processes; a dead process holds none."""
        if not self.exists():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(self.path.parent)
        descriptor = os.open(self.path / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _flock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def sync(self) -> None:
        """Make renames and removals in it last."""
        _sync(self.path)


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
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
