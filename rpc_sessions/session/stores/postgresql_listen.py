"""LISTEN: a connection of asyncpg's that hears which keys are written to a table."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from asyncpg import Connection
    from sqlalchemy.ext.asyncio import AsyncEngine

_PATIENCE = 5.0  # seconds for an answer
_SILENCE = 10.0  # seconds without a notice, until we ask whether the server is still there
_MOST = 10_000  # keys that wait to be taken


@asynccontextmanager
async def listening(engine: AsyncEngine, channel: str) -> AsyncIterator[Listener]:
    """A connection that listens until the end of the block. It is the engine's, but none of its pool's.

    Raises what SQLAlchemy, asyncpg or a socket raises, TimeoutError among it.
    """
    async with asyncio.timeout(_PATIENCE):
        connection = await engine.connect()
    pooled = await connection.get_raw_connection()
    listener = Listener(pooled.driver_connection)
    pooled.detach()  # the pool may have another instead; this one is closed with the block
    try:
        async with asyncio.timeout(_PATIENCE):
            await listener.start(channel)
        yield listener
    finally:
        listener.stop()  # at once: to take leave of a server that hangs would take long
        await connection.close()


class Listener:
    """What a connection has heard, until it is taken."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection
        self._told: dict[str | None, None] = {}  # each key once, in order
        self._news = asyncio.Event()

    async def start(self, channel: str) -> None:
        """From now on it listens."""
        self._connection.add_termination_listener(self._end)
        await self._connection.add_listener(channel, self._hear)

    async def hears(self, engine: AsyncEngine) -> bool:
        """Whether what another connection notifies arrives here.

        It does not where a pooler between gives each transaction another connection of the server.
        """
        from sqlalchemy import func, select

        probe, heard = f"rpc_sessions_{uuid4().hex}", asyncio.Event()

        def hear(*_notice: object) -> None:
            heard.set()

        await self._connection.add_listener(probe, hear)
        async with asyncio.timeout(_PATIENCE), engine.begin() as other:
            await other.execute(select(func.pg_notify(probe, "")))
        try:
            async with asyncio.timeout(_PATIENCE):
                await heard.wait()
        except TimeoutError:
            return False
        await self._connection.remove_listener(probe, hear)
        return True

    async def take(self) -> Iterable[str | None]:
        """What was told since the last time, as soon as there is something; None: more than is kept.

        ConnectionError, or what asyncpg raises, if the connection is lost.
        """
        while not self._news.is_set():
            try:
                async with asyncio.timeout(_SILENCE):
                    await self._news.wait()
            except TimeoutError:
                await self._connection.execute("SELECT 1", timeout=_PATIENCE)
        self._news.clear()
        if self._connection.is_closed():
            raise ConnectionError("the connection that listens was lost")
        told, self._told = self._told, {}
        return told

    def stop(self) -> None:
        """Close the connection now; ``take`` raises."""
        self._connection.terminate()

    def _hear(self, _connection: object, _pid: int, _channel: str, key: object) -> None:
        if len(self._told) >= _MOST:
            self._told = {None: None}
        self._told[str(key)] = None
        self._news.set()

    def _end(self, _connection: object) -> None:
        self._news.set()
