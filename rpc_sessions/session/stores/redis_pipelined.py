"""Reads by a client's own pipelines: in a Cluster, and over connections that are not redis-py's.

redis-py's own cost for a round trip is many times that of the server. So few are under way at a time, and what is
asked for meanwhile shares the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpc_sessions.session.stores.redis_client import Client

_ROUND_TRIPS = 2


class PipelinedReads:
    """The reads with one script on one key. They raise what redis-py raises."""

    def __init__(self, client: Client, script: str) -> None:
        self._client, self._script = client, script
        self._asked: list[tuple[str, asyncio.Future[Any]]] = []
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def read(self, name: str) -> Any:  # redis-py says no more
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked.append((name, answer))
        if self._under_way < _ROUND_TRIPS:
            self._under_way += 1
            task = asyncio.create_task(self._work())  # when all who are ready now have asked
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def close(self) -> None:
        """The connections are the client's."""

    async def _work(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                await self._send(asked)
        finally:
            self._under_way -= 1

    async def _send(self, asked: list[tuple[str, asyncio.Future[Any]]]) -> None:
        try:
            answers = await self._fetch([name for name, _ in asked])
        except Exception as error:
            answers = [error] * len(asked)
        for (_, waiting), answer in zip(asked, answers, strict=True):
            if waiting.done():  # its call was cancelled
                continue
            if isinstance(answer, Exception):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)

    async def _fetch(self, names: Sequence[str]) -> list[Any]:
        if len(names) == 1:
            return [await self._client.eval(self._script, 1, names[0])]
        async with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.eval(self._script, 1, name)
            return await pipeline.execute(raise_on_error=False)
