"""Sessions in one file, by the standard library's sqlite3: there is no driver to install.

One row a session, and one statement a method: SQLite runs a statement as a whole or not at all. So to
compare and to store is one step, for the tasks of a server and for several servers that share the file.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rpc_sessions import Record, StoreUnavailable

_TABLE = """
CREATE TABLE IF NOT EXISTS sessions (
    key TEXT PRIMARY KEY, data TEXT NOT NULL, created REAL NOT NULL, expires REAL NOT NULL,
    user_id TEXT, token TEXT NOT NULL
)"""
_LOAD = "SELECT data, created, expires, user_id, token FROM sessions WHERE key = :key AND expires > :now"
_SET = "data = :data, created = :created, expires = :expires, user_id = :user_id, token = :token"
# An expired row makes way for a new one.
_INSERT = f"""
INSERT INTO sessions (key, data, created, expires, user_id, token)
VALUES (:key, :data, :created, :expires, :user_id, :token)
ON CONFLICT (key) DO UPDATE SET {_SET} WHERE sessions.expires <= :now"""
_REPLACE = f"UPDATE sessions SET {_SET} WHERE key = :key AND expires > :now AND token = :expected"
_TOUCH = "UPDATE sessions SET expires = :until WHERE key = :key AND expires > :now"
_DELETE = "DELETE FROM sessions WHERE key = :key AND expires > :now"
_GC = "DELETE FROM sessions WHERE expires <= :now"
_KEYS = "SELECT key FROM sessions WHERE expires > :now"
_OF_USER = """
SELECT key, data, created, expires, user_id, token FROM sessions WHERE user_id = :user_id AND expires > :now"""


class Sqlite3Store:
    """path: the file; it is made on first use."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._connection: sqlite3.Connection | None = None
        # One thread owns the connection: the event loop never waits for the disk, and calls take turns.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sessions")

    async def load(self, key: str) -> Record | None:
        rows, _ = await self._run(_LOAD, key=key)
        return Record(*rows[0]) if rows else None

    async def insert(self, key: str, record: Record) -> bool:
        return await self._changes(_INSERT, key=key, **asdict(record))

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        return await self._changes(_REPLACE, key=key, expected=expected.token, **asdict(record))

    async def touch(self, key: str, expires: float) -> bool:
        return await self._changes(_TOUCH, key=key, until=expires)

    async def delete(self, key: str) -> bool:
        return await self._changes(_DELETE, key=key)

    async def gc(self, now: float) -> int:
        _, count = await self._run(_GC, now=now)
        return count

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)

    # What a store may also do: rpc_sessions finds out by the methods being there.

    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        rows, _ = await self._run(_OF_USER, user_id=user_id)
        return [(key, Record(*columns)) for key, *columns in rows]

    async def keys(self) -> AsyncIterator[str]:
        rows, _ = await self._run(_KEYS)
        for (key,) in rows:
            yield key

    async def lacks(self) -> str | None:
        """For the command line, which makes no file where there is none."""
        there = await asyncio.to_thread(self._path.exists)
        return None if there else f"file {self._path.absolute()}"

    # -- the connection, in its thread ------------------------------------------------------------

    async def _changes(self, statement: str, **values: object) -> bool:
        return (await self._run(statement, **values))[1] == 1

    async def _run(self, statement: str, **values: object) -> tuple[list[Any], int]:
        """The rows that a statement found, and how many it changed."""
        given = {"now": time.time(), **values}
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._execute, statement, given)
        except sqlite3.Error as error:
            raise StoreUnavailable from error  # never "no session"

    def _execute(self, statement: str, values: Mapping[str, object]) -> tuple[list[Any], int]:
        cursor = self._connected().execute(statement, values)
        return cursor.fetchall(), cursor.rowcount

    def _connected(self) -> sqlite3.Connection:
        """The connection: made on first use, so after a fork, and again after an error while it was made."""
        if self._connection is None:
            # Without an isolation level each statement commits by itself. timeout: seconds to wait for another process.
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=5)
            try:
                connection.execute(_TABLE)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
