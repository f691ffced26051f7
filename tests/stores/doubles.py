"""A store that counts what is asked of it, and can be slow, late or down."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from rpc_sessions import Record, Store, StoreUnavailable
from rpc_sessions.session.reserved import MOVED
from rpc_sessions.session.stores.memory import MemoryStore

READS = ("load",)
WRITES = ("insert", "replace", "touch", "delete")


class WatchedStore:
    """calls: the methods that were asked for, in order. down: every method raises StoreUnavailable.

    fail_after: so many more requests succeed, then none; None: no end to them.
    slow: seconds before a method does its work. late: seconds until its caller hears of it.
    before, after: run once, by name of method, before and after its work.
    shared: other processes are taken to write to it.
    """

    def __init__(self, inner: Store | None = None, *, shared: bool = False) -> None:
        self.inner = inner or MemoryStore()
        self.shared = shared
        self.calls: list[str] = []
        self.keys_asked: list[str] = []
        self.down = False
        self.fail_after: int | None = None
        self.slow: dict[str, float] = {}
        self.late: dict[str, float] = {}
        self.before: dict[str, Callable[[], Awaitable[object]]] = {}
        self.after: dict[str, Callable[[], Awaitable[object]]] = {}

    @property
    def count(self) -> Counter[str]:
        return Counter(self.calls)

    @property
    def writes(self) -> list[str]:
        return [name for name in self.calls if name in WRITES]

    def forget(self) -> None:
        """Count anew."""
        self.calls.clear()
        self.keys_asked.clear()

    async def _enter(self, name: str, key: str = "") -> None:
        self.calls.append(name)
        self.keys_asked.append(key)
        if self.fail_after is not None:
            self.fail_after -= 1
        if self.down or (self.fail_after is not None and self.fail_after < 0):
            raise StoreUnavailable
        if hook := self.before.pop(name, None):
            await hook()
        await asyncio.sleep(self.slow.get(name, 0))

    async def _leave(self, name: str) -> None:
        if hook := self.after.pop(name, None):
            await hook()
        await asyncio.sleep(self.late.get(name, 0))

    async def load(self, key: str) -> Record | None:
        await self._enter("load", key)
        record = await self.inner.load(key)
        await self._leave("load")
        return record

    async def insert(self, key: str, record: Record) -> bool:
        await self._enter("insert", key)
        done = await self.inner.insert(key, record)
        await self._leave("insert")
        return done

    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        await self._enter("replace", key)
        done = await self.inner.replace(key, record, expected)
        await self._leave("replace")
        return done

    async def touch(self, key: str, expires: float) -> bool:
        await self._enter("touch", key)
        done = await self.inner.touch(key, expires)
        await self._leave("touch")
        return done

    async def delete(self, key: str) -> bool:
        await self._enter("delete", key)
        done = await self.inner.delete(key)
        await self._leave("delete")
        return done

    async def gc(self, now: float) -> int:
        await self._enter("gc")
        return await self.inner.gc(now)

    async def close(self) -> None:
        await self.inner.close()


async def session_at(store: Store, key: str) -> Record | None:
    """The session that is stored under a key. A note of where one has gone is none."""
    record = await store.load(key)
    return None if record is None or MOVED in record.data else record
