"""A session store for rpc-sessions."""

from rpc_sessions_sqlite3.store import Sqlite3Store

__all__ = ["Sqlite3Store"]
