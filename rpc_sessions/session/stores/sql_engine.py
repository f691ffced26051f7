"""The engines of the SQL store: from a url to one, and which may be passed in."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from rpc_sessions.errors import ConfigError
from rpc_sessions.session.stores.extras import extra

if TYPE_CHECKING:
    from sqlalchemy import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

EXAMPLES = "sqlite+aiosqlite:///sessions.db, postgresql+asyncpg://host/app, mysql+asyncmy://host/app"

_EXTRAS = {"asyncpg": "postgresql", "asyncmy": "mysql"}


def check_url(url: str) -> URL:
    """ConfigError if there is no asynchronous driver for it, or that is not installed."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
        dialect = parsed.get_dialect()
    except ArgumentError as error:
        raise ConfigError(f"the sql store: {error}. Its urls are like {EXAMPLES}") from None
    if not dialect.is_async:
        raise ConfigError(f"{parsed.drivername} would block the server: use {EXAMPLES}")
    with extra(_EXTRAS.get(dialect.driver, "sql")):
        dialect.import_dbapi()
    if dialect.name == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError("SQLite in memory ends with its connection: name a file, or use the memory store")
    return parsed


def sqlite_file(engine: AsyncEngine) -> Path | None:
    """The file of a SQLite database, without opening it; None for one in memory, and for any other database.

    A ``file:`` URI is read as SQLite does: https://www.sqlite.org/uri.html
    """
    if engine.dialect.name != "sqlite":
        return None
    (name, *_), options = engine.dialect.create_connect_args(engine.url)
    if not (options.get("uri") and name.startswith("file:")):
        return _named(engine.url.database or "")
    uri = urlsplit(name)
    return None if parse_qs(uri.query).get("mode") == ["memory"] else _named(unquote(uri.path))


def _named(name: str) -> Path | None:
    return Path(name) if name not in ("", ":memory:") else None


def connect(url: URL, patience: float) -> AsyncEngine:
    """An engine whose statements commit by themselves. patience: seconds to wait for another writer, in SQLite."""
    from sqlalchemy import event
    from sqlalchemy.ext.asyncio import create_async_engine

    # A connection that the server closed is noticed before a statement is sent: nothing has to be tried again,
    # and what may have been written is not written twice. An error says the statement, not the values of the session.
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "do_connect", lambda *_: _check_writable(url.database or ""))
        event.listen(engine.sync_engine, "connect", lambda connection, _record: _set_up_sqlite(connection, patience))
    return engine


def _set_up_sqlite(connection: Any, patience: float) -> None:  # Any: SQLAlchemy's wrapper of the driver's
    cursor = connection.cursor()
    # Less than the patience of the store, so that it is SQLite that says what is wrong, on a slow machine too.
    for pragma in (f"busy_timeout = {patience * 800:.0f}", "journal_mode = WAL", "synchronous = FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _check_writable(path: str) -> None:
    """PermissionError if the file, or its folder, may not be written.

    SQLite would open it for reading, and all of the process's connections would stay so after that is mended.
    """
    effective = os.access in os.supports_effective_ids
    for each in (path, os.path.dirname(path) or "."):
        if os.path.exists(each) and not os.access(each, os.W_OK, effective_ids=effective):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), each)


def check_engine(engine: object) -> AsyncEngine:
    """The engine, if the store can use it; else ConfigError."""
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    if isinstance(engine, Engine):
        raise ConfigError("the sql store needs an AsyncEngine: an Engine would block the server")
    if not isinstance(engine, AsyncEngine):
        raise ConfigError(f"engine= takes an AsyncEngine, or a function that makes one, not {engine!r}")
    return engine
