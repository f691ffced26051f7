"""The contract of a session store, run on Sqlite3Store."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from rpc_sessions_sqlite3 import Sqlite3Store

from rpc_sessions import Store
from rpc_sessions.testing import StoreContract


class TestSqlite3Store(StoreContract):
    async def make_store(self) -> Store:
        """A new, empty store: what one test stores no other may see."""
        self.folder = TemporaryDirectory()
        return Sqlite3Store(f"{self.folder.name}/sessions.db")

    async def drop_store(self, store: Store) -> None:
        await store.close()
        self.folder.cleanup()
