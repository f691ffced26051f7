"""A TCP proxy between a store and its server, which fails as networks and servers do.

async with Proxy(server_port) as proxy:
    ...                        # the store uses proxy.port
    await proxy.refuse()       # nobody listens, and open connections are cut
    await proxy.accept()       # all is well again
    proxy.hold()               # requests reach the server, answers wait
    proxy.release()            # they arrive, late
    proxy.lose(b"tea")         # the next request that holds these bytes is carried out; its answer is lost
    proxy.damage(b"tea")       # in answers, the first of these bytes arrives as 0xff, which is in no UTF-8
"""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Literal, Self

from tests.processes import find_free_port


class Proxy:
    """lost: how many answers were lost."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.port = find_free_port()
        self.lost = 0
        self._target = (host, port)
        self._wanted: bytes | None = None
        self._damaged: bytes | None = None
        self._held = ""
        self._released = asyncio.Event()
        self._listening: socket.socket | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def accept(self) -> None:
        """Listen, and take new connections."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        # Not asyncio.start_server: one that is closed while somebody connects leaves that connection open.
        asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    async def refuse(self) -> None:
        """Cut all connections, and take no new ones."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        await asyncio.sleep(0)  # a task that is cancelled before it begins closes nothing
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def hold(self, what: Literal["answers", "requests"]) -> None:
        """Requests reach the server and answers wait; or all wait."""
        self._held = what
        self._released.clear()

    def release(self) -> None:
        """What waited arrives."""
        self._held = ""
        self._released.set()

    def lose(self, wanted: bytes) -> None:
        """The next request that holds these bytes: the server carries it out, and its connection is cut."""
        self._wanted = wanted

    def damage(self, found: bytes) -> None:
        """These bytes of an answer arrive damaged, as if they were so in the server."""
        self._damaged = found

    def _accept(self, listening: socket.socket) -> None:
        client, _ = listening.accept()
        client.setblocking(False)
        link = asyncio.create_task(self._link(client))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _link(self, sock: socket.socket) -> None:
        """One connection: it ends when either side hangs up, or when an answer is lost."""
        client, to_client = await asyncio.open_connection(sock=sock)
        try:
            server, to_server = await asyncio.open_connection(*self._target)
            await self._pump(client, to_client, server, to_server)
        finally:
            to_client.transport.abort()
            await asyncio.sleep(0)  # in which the loop closes them

    async def _pump(
        self,
        client: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
    ) -> None:
        losing = asyncio.Event()
        pumps = [
            asyncio.create_task(self._requests(client, to_server, losing)),
            asyncio.create_task(self._answers(server, to_client, losing)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            to_server.transport.abort()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _requests(
        self, client: asyncio.StreamReader, server: asyncio.StreamWriter, losing: asyncio.Event
    ) -> None:
        while chunk := await client.read(1_000_000):
            if self._wanted is not None and self._wanted in chunk:
                self._wanted = None
                losing.set()
            if self._held == "requests":
                await self._released.wait()
            server.write(chunk)

    async def _answers(self, server: asyncio.StreamReader, client: asyncio.StreamWriter, losing: asyncio.Event) -> None:
        while chunk := await server.read(1_000_000):
            if self._held:
                await self._released.wait()
            if losing.is_set():
                self.lost += 1
                return
            if self._damaged is not None:
                chunk = chunk.replace(self._damaged, b"\xff" + self._damaged[1:])
            client.write(chunk)

    async def __aenter__(self) -> Self:
        await self.accept()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.refuse()
