"""One connection to Redis that reads only: what is asked for leaves together, and is answered in that order.

redis-py opens it, as it knows how: through Sentinel, with TLS, logged in. From then on the bytes come here, past
its streams, which cost more than all the rest of a read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from rpc_sessions.session.stores.redis_replies import Incomplete, Refused, is_pushed, parse

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.connection import AbstractConnection


class Asked(NamedTuple):
    """command: as it goes to Redis. answer: done already if whoever asked was cancelled."""

    command: bytes
    answer: asyncio.Future[Any]  # Any: what ``parse`` gives

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


Tell: TypeAlias = Callable[[Sequence[Asked], Exception], None]


class Link(asyncio.Protocol):
    """A connection that redis-py has opened. tell: is called with what it has not answered, when it has ended.

    proved: whether it has answered anything. lost: whether it has ended.
    """

    def __init__(self, connection: AbstractConnection, tell: Tell) -> None:
        writer = connection._writer
        assert writer is not None
        self.proved = self.lost = False
        self._connection, self._tell = connection, tell
        self._waiting: deque[Asked] = deque()
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._heard = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._transport = writer.transport
        self._streams = cast("asyncio.Protocol", self._transport.get_protocol())
        self._transport.set_protocol(self)

    @classmethod
    async def open(cls, client: Redis, tell: Tell) -> Link:
        """A new connection, none of the client's pool. Raises what redis-py raises."""
        connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py has no type for it
        await connection.connect()
        return cls(connection, tell)

    def send(self, asked: Sequence[Asked]) -> None:
        if not self._waiting:
            self._heard = self._loop.time()
        self._waiting.extend(asked)
        self._transport.write(b"".join([each.command for each in asked]))
        if self._watch is None:
            self._look_again()

    async def close(self) -> None:
        """What is not answered yet fails."""
        self._fail(ConnectionError("the connection to Redis was closed"))
        await self._connection.disconnect()

    # -- what the transport tells ------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        data, at = self._rest + data, 0
        try:
            while at < len(data):
                at = self._take(data, at)
        except Incomplete:
            pass
        except (ValueError, IndexError) as error:  # no reply, or one to nothing
            self._fail(ConnectionError(f"Redis does not speak its protocol: {error}"))
        self._rest = data[at:]

    def _take(self, data: bytes, at: int) -> int:
        answer, end = parse(data, at)
        if is_pushed(data, at):
            return end
        self.proved = True
        asked = self._waiting.popleft()
        if isinstance(answer, Refused):
            asked.fail(_refusal(answer))
        elif not asked.answer.done():
            asked.answer.set_result(answer)
        return end

    def connection_lost(self, error: Exception | None) -> None:
        self._streams.connection_lost(error)  # or ``disconnect`` would wait for ever
        self.lost = True
        if self._watch:
            self._watch.cancel()
        unanswered = list(self._waiting)
        self._waiting.clear()
        self._tell(unanswered, ConnectionError(f"Redis closed the connection: {error or 'it gave no reason'}"))

    # -- when nothing comes ------------------------------------------------------------------------

    def _look_again(self) -> None:
        """Fail if what is waited for has been silent for too long; else look again when that would be."""
        self._watch, patience = None, self._connection.socket_timeout
        if not self._waiting or not patience:
            return
        if self._heard + patience <= self._loop.time():
            self._fail(TimeoutError(f"Redis did not answer in time ({patience:g} s)"))
        else:
            self._watch = self._loop.call_at(self._heard + patience, self._look_again)

    def _fail(self, error: Exception) -> None:
        self.lost = True
        for asked in self._waiting:
            asked.fail(error)
        self._waiting.clear()
        self._transport.abort()


def _refusal(answer: Refused) -> Exception:
    from redis.exceptions import ResponseError

    return ResponseError(answer.text)
