"""Many reads in one round trip: a script on one key, run for all who ask at about the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from rpc_sessions.loops import RunningLoop
from rpc_sessions.session.stores.redis_link import Asked, Link
from rpc_sessions.session.stores.redis_pipelined import PipelinedReads

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from rpc_sessions.session.stores.redis_client import Client

_ENOUGH = 8  # more at a time cost hardly less each, and the server would have to wait for the first answer


class Reads(Protocol):
    """The reads with one script."""

    def read(self, name: str) -> Awaitable[Any]:  # Any: redis-py says no more
        """What the script returns for a key: strings are bytes, or str. Raises what redis-py raises, or OSError."""

    async def close(self) -> None: ...


def reads_with(client: Client, script: str) -> Reads:
    """The fastest way that suits the client."""
    from redis.asyncio import Redis

    # A connection that is not redis-py's may be to no server at all: those of fakeredis are not.
    if isinstance(client, Redis) and client.connection_pool.connection_class.__module__.split(".")[0] == "redis":
        return DirectReads(client, script)
    return PipelinedReads(client, script)


class DirectReads:
    """Over a connection of their own, which is opened when it is needed."""

    def __init__(self, client: Redis, script: str) -> None:
        text = script.encode()
        self._client = client
        self._head = b"*4\r\n$4\r\nEVAL\r\n$%d\r\n%b\r\n$1\r\n1\r\n" % (len(text), text)
        self._running = RunningLoop()
        self._forget()

    def _forget(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: list[Asked] = []
        self._seen = 0
        self._link: Link | None = None
        self._opening: asyncio.Task[None] | None = None

    def read(self, name: str) -> asyncio.Future[Any]:
        loop = self._running()
        if loop is not self._loop:  # whoever asked in another loop waits no more
            self._forget()
            self._loop = loop
        if not self._asked:
            self._seen = 0
            loop.call_soon(self._gather)
        key = name.encode()
        asked = Asked(b"%b$%d\r\n%b\r\n" % (self._head, len(key), key), loop.create_future())
        self._asked.append(asked)
        return asked.answer

    def _gather(self) -> None:
        """Send, as soon as enough have asked or a turn of the loop has brought nobody else.

        A write costs the time of several calls, so a busy server makes few; an idle one waits for nobody.
        """
        if self._loop and self._seen < len(self._asked) < _ENOUGH:
            self._seen = len(self._asked)
            self._loop.call_soon(self._gather)
        else:
            self._send()

    def _send(self) -> None:
        if not self._asked:
            return
        if self._link and not self._link.lost:
            asked, self._asked = self._asked, []
            self._link.send(asked)
        elif self._opening is None:
            self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        try:
            if self._link:
                await self._link.close()
            self._link = await Link.open(self._client, self._lost)
        except Exception as error:
            self._fail(error)
        finally:
            self._opening = None
        self._send()

    def _lost(self, unanswered: Sequence[Asked], error: Exception) -> None:
        """Ask once more, over another connection; but not if this one has never answered."""
        if self._link and self._link.proved:
            self._asked = [asked for asked in unanswered if not asked.answer.done()] + self._asked
            self._send()
            return
        for asked in unanswered:
            asked.fail(error)

    def _fail(self, error: Exception) -> None:
        asked, self._asked = self._asked, []
        for each in asked:
            each.fail(error)

    async def close(self) -> None:
        if self._opening:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        self._fail(ConnectionError("the store was closed"))
        link = self._link
        self._forget()
        if link:
            await link.close()
