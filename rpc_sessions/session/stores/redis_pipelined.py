"""Reads by a client's own pipelines: in a Cluster, and over connections that are not redis-py's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rpc_sessions.session.stores.joined_reads import JoinedReads

if TYPE_CHECKING:
    from rpc_sessions.session.stores.redis_client import Client


class PipelinedReads:
    """The reads with one script on one key. They raise what redis-py raises."""

    def __init__(self, client: Client, script: str) -> None:
        self._client, self._script = client, script
        self._reads = JoinedReads[Any](self._fetch)  # Any: redis-py says no more

    def read(self, name: str) -> asyncio.Future[Any]:
        return self._reads.read(name)

    async def close(self) -> None:
        """The connections are the client's."""

    async def _fetch(self, names: Sequence[str]) -> list[Any]:
        if len(names) == 1:
            return [await self._client.eval(self._script, 1, names[0])]
        async with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.eval(self._script, 1, name)
            return await pipeline.execute(raise_on_error=False)
