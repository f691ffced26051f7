"""The calls of one message, side by side, and their answers as one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeAlias

from rpc_sessions.protocol import Call, Invalid
from rpc_sessions.request import Peer

Reply: TypeAlias = Callable[[bytes], None]
Settled: TypeAlias = Callable[[], None]
Item: TypeAlias = Call | Invalid
Start: TypeAlias = Callable[[Item, Peer, Reply, Settled], None]

_MOMENT = 0.05  # seconds
_LONG = 30.0  # seconds that a batch waits for a place, while no call of it runs


class Batch:
    """The calls of one message, run side by side as far as the connection's limit allows.

    Where the connection is full already, all are refused. If not, those that find no place wait for one.
    """

    _looking = False
    _until = 0.0  # by the clock of the loop: until then it waits for a place

    def __init__(
        self,
        start: Start,
        items: list[Item],
        peer: Peer,
        free: Callable[[Peer], int],
        done: Callable[[list[bytes]], None],
    ) -> None:
        """start begins one call; free: how many may begin now.

        done gets the answers, notifications having none, once all calls are over.
        """
        self._start, self._peer, self._free, self._done = start, peer, free, done
        self._waiting = deque(items)
        self._answers: list[bytes] = []
        self._running = 0
        self._filling = False
        self._context = copy_context()

    def fill(self) -> None:
        """Begin as many calls as fit; after the last one, hand over the answers."""
        self._filling = True
        while self._waiting and self._may_go_on():
            if self._peer.gone:  # perhaps by the first step of the call before
                self._waiting.clear()
                break
            self._running += 1
            self._start(self._waiting.popleft(), self._peer, self._answers.append, self._settled)
        self._filling = False
        if self._waiting:
            self._wait()
        elif not self._running:
            self._done(self._answers)

    def _may_go_on(self) -> bool:
        """Whether there is a place for a call, or no use in waiting for one: then the call is refused."""
        if self._free(self._peer) > 0 or self._peer.gone:
            return True
        return not self._running and asyncio.get_running_loop().time() >= self._until

    def _wait(self) -> None:
        """Look again soon: the places of other calls, and of those that still clean up, become free unannounced."""
        loop = asyncio.get_running_loop()
        if self._running:
            self._until = loop.time() + _LONG
        if not self._looking:
            self._looking = True
            loop.call_later(_MOMENT, self._look)

    def _look(self) -> None:
        self._looking = False
        if self._waiting:
            self.fill()

    def _settled(self) -> None:
        self._running -= 1
        # A call that is refused settles while fill() is at work: its loop goes on by itself.
        if not self._filling:
            self._context.run(self.fill)  # not in the context of the call that is over
