"""Sessions in this process's memory: the default. They end with the process, and no other sees them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace as with_changes

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session.stores.base import Record


class MemoryStore:
    """A dict of records, bounded by ``max_sessions`` (default 100,000).

    When it is full and nothing in it has expired, a new session is refused with StoreUnavailable:
    a flood of visitors must not log out those who are here.
    """

    shared = False

    def __init__(self, max_sessions: int = 100_000) -> None:
        if max_sessions < 1:
            raise ValueError("max_sessions is at least 1")
        self._max_sessions = max_sessions
        self._records: dict[str, Record] = {}

    async def load(self, key: str) -> Record | None:
        return self.peek(key)

    def peek(self, key: str) -> Record | None:
        record = self._records.get(key)
        return record if record is not None and record.expires > time.time() else None

    async def insert(self, key: str, record: Record) -> bool:
        if self.peek(key):
            return False
        if len(self._records) >= self._max_sessions and not await self.gc(time.time()):
            full = OverflowError(f"all of max_sessions={self._max_sessions} are alive")
            raise StoreUnavailable("Session store full") from full
        self._records[key] = record
        return True

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        current = self.peek(key)
        if current is None or current.token != expected.token:
            return False
        self._records[key] = record
        return True

    async def touch(self, key: str, expires: float) -> bool:
        record = self.peek(key)
        if record is None:
            return False
        self._records[key] = with_changes(record, expires=expires)
        return True

    async def delete(self, key: str) -> bool:
        live = self.peek(key)
        self._records.pop(key, None)
        return live is not None

    async def gc(self, now: float) -> int:
        expired = [key for key, record in self._records.items() if record.expires <= now]
        for key in expired:
            del self._records[key]
        return len(expired)

    async def close(self) -> None:
        self._records.clear()

    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        now = time.time()
        return [(key, rec) for key, rec in self._records.items() if rec.user_id == user_id and rec.expires > now]

    async def keys(self) -> AsyncIterator[str]:
        for key in list(self._records):
            if self.peek(key):
                yield key
