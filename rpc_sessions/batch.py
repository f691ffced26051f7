"""The calls of one message, side by side, and their answers as one."""

from __future__ import annotations

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


class Batch:
    """The calls of one message, run side by side as far as the connection's limit allows."""

    def __init__(
        self, start: Start, items: list[Item], peer: Peer, window: int, done: Callable[[list[bytes]], None]
    ) -> None:
        """start begins one call; done gets the answers, notifications having none, once all calls are over."""
        self._start, self._peer, self._done = start, peer, done
        self._waiting = deque(items)
        self._answers: list[bytes] = []
        self._running = 0
        self._window = max(1, window)
        self._filling = False
        self._context = copy_context()

    def fill(self) -> None:
        """Begin as many calls as fit; after the last one, hand over the answers."""
        self._filling = True
        while self._waiting and self._running < self._window:
            if self._peer.gone:  # perhaps by the first step of the call before
                self._waiting.clear()
                break
            self._running += 1
            self._start(self._waiting.popleft(), self._peer, self._answers.append, self._settled)
        self._filling = False
        if not self._waiting and not self._running:
            self._done(self._answers)

    def _settled(self) -> None:
        self._running -= 1
        # A call that is refused settles while fill() is at work: its loop goes on by itself.
        if not self._filling:
            self._context.run(self.fill)  # not in the context of the call that is over
