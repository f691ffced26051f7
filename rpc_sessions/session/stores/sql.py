"""Sessions in a SQL database, through SQLAlchemy's asyncio Core: SQLite, PostgreSQL, MySQL and MariaDB.

One row a session. Each method is one statement that commits by itself: an UPDATE with the expected token
in its WHERE is the compare-and-swap, the primary key refuses a second insert. ``gc`` sweeps. PostgreSQL tells
who watches: postgresql_notify.py and postgresql_listen.py.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from rpc_sessions.errors import ConfigError
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.stores.calls import to_the_end
from rpc_sessions.session.stores.damaged import checked, skipping_corrupt
from rpc_sessions.session.stores.missing import missing
from rpc_sessions.session.stores.postgresql_listen import Listener, listening
from rpc_sessions.session.stores.postgresql_notify import Notifier, channel
from rpc_sessions.session.stores.sql_engine import EXAMPLES, check_engine, check_url, connect, sqlite_file
from rpc_sessions.session.stores.sql_failures import failures, in_time
from rpc_sessions.session.stores.sql_table import LONGEST_USER_ID, TABLE, create, ddl, exists, make_table
from rpc_sessions.session.unfinished import Unfinished

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Delete, Executable, Insert, Row, Select, Update, UpdateBase
    from sqlalchemy.ext.asyncio import AsyncEngine

    Rows: TypeAlias = Sequence[Row[Any]]

__all__ = ["SQLStore", "ddl", "make_table"]

_PATIENCE = 5.0  # seconds for a connection and an answer: less than the deadline of a call
_BATCH = 500

_log = logging.getLogger(__name__)


class SQLStore:
    """A store over one table, which it creates if it is not there.

    url: "sqlite+aiosqlite:///path", "postgresql+asyncpg://...", "mysql+asyncmy://...", or
    engine: an AsyncEngine, or a function that makes one (called in the process and loop that will use it,
    so it suits ``processes=2``). table: its name. An engine that was passed in ready is left open by
    ``close``, and keeps its settings; ours is closed. Ours uses SQLite in WAL mode, synced at each commit.
    A user id is at most 255 characters long, and holds no NUL: ValueError.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        engine: AsyncEngine | Callable[[], AsyncEngine] | None = None,
        table: str = TABLE,
    ) -> None:
        if (url is None) == (engine is None):
            raise ConfigError(f"the sql store takes url= ({EXAMPLES}), or engine=")
        self._table = make_table(table)
        self._owned = url is not None or callable(engine)
        self._make: Callable[[], object] = engine if callable(engine) else lambda: engine
        if url is not None:
            parsed = check_url(url)
            self._make = lambda: connect(parsed, _PATIENCE)
        elif not self._owned:
            check_engine(engine)
        self._engine: AsyncEngine | None = None
        self._preparing = asyncio.Lock()
        self._prepared = False
        self.calls = Unfinished()
        self._closing = False
        self._notifier: Notifier | None = None  # with PostgreSQL
        self._listeners: set[Listener] = set()

    @property
    def forks(self) -> bool:
        """Whether each process can make its own engine."""
        return self._owned

    @to_the_end
    async def load(self, key: str) -> Record | None:
        rows = await self._rows(self._table.select().where(*self._live(key)))
        return _record(rows[0]) if rows else None

    @to_the_end
    async def insert(self, key: str, record: Record) -> bool:
        from sqlalchemy.exc import IntegrityError

        row = _row(record)
        try:
            return await self._tell(self._table.insert().values(key=key, **row)) == 1
        except IntegrityError:
            # Unless it has expired, and only waits for its sweep.
            expired = (self._table.c.key == key, self._table.c.expires <= time.time())
            return await self._tell(self._table.update().where(*expired).values(row)) == 1

    @to_the_end
    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        same = self._table.c.token == expected.token
        return await self._tell(self._table.update().where(same, *self._live(key)).values(_row(record))) == 1

    @to_the_end
    async def touch(self, key: str, expires: float) -> bool:
        return await self._count(self._table.update().where(*self._live(key)).values(expires=expires)) == 1

    @to_the_end
    async def delete(self, key: str) -> bool:
        if await self._tell(self._table.delete().where(*self._live(key))):
            return True
        await self._delete_expired([key], time.time())
        return False

    @to_the_end
    async def gc(self, now: float) -> int:
        columns, count = self._table.c, 0
        expired = self._table.select().with_only_columns(columns.key).where(columns.expires <= now)
        # By primary key and in batches: no other writer waits long, and none meets these in another order.
        while not self._closing and (rows := await self._rows(expired.limit(_BATCH))):
            count += await self._delete_expired([row.key for row in rows], now)
        return count

    async def close(self) -> None:
        self._closing = True  # a sweep may have long to go
        try:
            await self.calls.end()
        finally:
            self._closing = False
        for listener in self._listeners:
            listener.stop()
        engine, self._engine, self._prepared = self._engine, None, False
        if engine is not None and self._owned:
            await engine.dispose()

    @to_the_end
    async def lacks(self) -> str | None:
        """SQLite's file or the table, where nobody has made it."""
        async with in_time(_PATIENCE):
            file = sqlite_file(self._made())
            if file and (lacking := await missing("file", file)):
                return lacking
            there = await exists(self._made(), self._table)
        return None if there else f"table {self._table.name} in its database"

    @to_the_end
    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        columns = self._table.c
        rows = await self._rows(self._table.select().where(columns.user_id == user_id, columns.expires > time.time()))
        found = []
        for row in rows:
            with skipping_corrupt():
                if row.user_id == user_id:  # compared again, because MySQL takes no notice of spaces at the end
                    found.append((row.key, _record(row)))
        return found

    async def keys(self) -> AsyncIterator[str]:
        columns, last = self._table.c, ""
        some = self._table.select().with_only_columns(columns.key).order_by(columns.key).limit(_BATCH)
        while rows := await self._more(some.where(columns.key > last, columns.expires > time.time())):
            for row in rows:
                yield row.key
            last = rows[-1].key

    async def watch(self) -> AsyncGenerator[str | None, None]:
        """Told by PostgreSQL through asyncpg; no other database can. It holds a connection, beside the pool's."""
        async with in_time(_PATIENCE):
            engine = await self._ready()
        with failures():
            if (engine.dialect.name, engine.dialect.driver) != ("postgresql", "asyncpg"):
                return
            async with listening(engine, channel(self._table.name)) as listener:
                if not await listener.hears(engine):
                    _log.info("What other processes write is not heard: between here and PostgreSQL is a pooler")
                    return
                self._listeners.add(listener)
                try:
                    yield None
                    while True:
                        for key in await listener.take():
                            yield key
                finally:
                    self._listeners.discard(listener)

    def _live(self, key: str) -> tuple[ColumnElement[bool], ...]:
        return self._table.c.key == key, self._table.c.expires > time.time()

    async def _delete_expired(self, keys: list[str], now: float) -> int:
        columns = self._table.c
        return await self._count(self._table.delete().where(columns.key.in_(keys), columns.expires <= now))

    @to_the_end
    async def _more(self, statement: Select[Any]) -> Rows:
        """Rows for one who lists, and waits for other things in between."""
        return await self._rows(statement)

    async def _rows(self, statement: Select[Any]) -> Rows:
        return (await self._execute(statement))[0]

    async def _count(self, statement: UpdateBase) -> int:
        """How many rows a statement wrote."""
        return (await self._execute(statement))[1]

    async def _tell(self, statement: Insert | Update | Delete) -> int:
        """How many rows a statement wrote; who watches is told of each."""
        async with in_time(_PATIENCE):
            await self._ready()
            if self._notifier is not None:
                return await self._notifier.count(statement)
        return await self._count(statement)

    async def _execute(self, statement: Executable) -> tuple[Rows, int]:
        """The rows that a statement found, and how many it wrote."""
        async with in_time(_PATIENCE), (await self._ready()).begin() as connection:
            result = await connection.execute(statement)
            return result.all() if result.returns_rows else [], result.rowcount

    async def _ready(self) -> AsyncEngine:
        """The engine, whose database has the table."""
        engine = self._made()
        if not self._prepared:
            async with self._preparing:
                if not self._prepared:
                    await create(engine, self._table)
                    self._prepared = True
        return engine

    def _made(self) -> AsyncEngine:
        """The engine, made on first use in the loop that uses it."""
        if self._engine is None:
            self._engine, self._preparing = check_engine(self._make()), asyncio.Lock()
            tells = self._engine.dialect.name == "postgresql"
            self._notifier = Notifier(self._engine, self._table) if tells else None
        return self._engine


def _row(record: Record) -> dict[str, Any]:
    user_id = record.user_id or ""
    if len(user_id) > LONGEST_USER_ID or "\0" in user_id:
        raise ValueError(f"a user id is at most {LONGEST_USER_ID} characters long, and holds no NUL: {user_id!r:.99}")
    return asdict(record)


def _record(row: Row[Any]) -> Record:
    return checked(f"the row {row.key}", row.data, row.created, row.expires, row.user_id, row.token)
