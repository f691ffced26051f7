"""The statements of the SQL store that tell: NOTIFY, in the transaction that writes.

A notice is PostgreSQL's once the write is, so none is lost with the process that wrote. But of all transactions
that notify, in all of the server, one is committed at a time: while it waits for the disk the others wait for it,
where a disk could take hundreds in one go. So a process that writes much commits without waiting for the disk, and
then waits for it, with the others. Either way a write is on the disk before it is acknowledged.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Delete, Insert, Table, Update
    from sqlalchemy.ext.asyncio import AsyncEngine

_LONGEST_NAME = 63  # bytes; PostgreSQL cuts the name of a table there
_CALM = 1.0  # seconds after two writes met, until a write counts as one that is alone
# Nobody reads it. It is a write that touches no table, and once that is on the disk all before it is.
_FLUSH = "SELECT pg_logical_emit_message(true, 'rpc_sessions', '')"


def channel(table: str) -> str:
    """The channel on which the keys are told that are written to a table."""
    return table.encode()[:_LONGEST_NAME].decode(errors="ignore")


class Notifier:
    """Runs the statements that tell, for one engine."""

    def __init__(self, engine: AsyncEngine, table: Table) -> None:
        self._engine = engine
        self._table = table
        self._writing = 0
        self._met = float("-inf")

    async def count(self, statement: Insert | Update | Delete) -> int:
        """How many rows a statement wrote; each is told. Raises what SQLAlchemy raises."""
        alone = self._is_alone()
        self._writing += 1
        try:
            return await self._write(statement, waits=alone)
        finally:
            self._writing -= 1

    def _is_alone(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._writing:
            self._met = now
        return now - self._met > _CALM

    async def _write(self, statement: Insert | Update | Delete, *, waits: bool) -> int:
        from sqlalchemy import func

        told = [func.pg_notify(channel(self._table.name), self._table.c.key)]
        if not waits:  # for this transaction only
            told.append(func.set_config("synchronous_commit", "off", True))
        async with self._engine.connect() as connection:
            async with connection.begin():
                count = len((await connection.execute(statement.returning(*told))).all())
            if count and not waits:
                async with connection.begin():
                    await connection.exec_driver_sql(_FLUSH)
        return count
