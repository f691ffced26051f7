"""What is there after each round of the same work: it has to stay level."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable


async def settled(count: Callable[[], list[int]]) -> list[int]:
    """What is counted once it stays the same."""
    before: list[int] = []
    while (now := count()) != before:
        before = now
        await asyncio.sleep(0.1)
    return now


class Levels:
    """Counts, and the bytes that Python holds, after each of four rounds or more. The first one warms up."""

    def __init__(self, count: Callable[[], list[int]]) -> None:
        self._count = count
        self._counts: list[list[int]] = []
        self._memory: list[int] = []

    async def take(self) -> None:
        """A round is over."""
        self._counts.append(await settled(self._count))
        if tracemalloc.is_tracing():
            self._memory.append(tracemalloc.get_traced_memory()[0])
        else:
            tracemalloc.start()

    def check(self, most: int) -> None:
        """Assert that no count has grown, and that the memory grew by less than so many bytes."""
        tracemalloc.stop()
        assert self._counts[2:] == self._counts[1:-1]
        assert self._memory[-1] - self._memory[0] < most
