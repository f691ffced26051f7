"""Trying a compare-and-swap until it succeeds."""

from __future__ import annotations

import asyncio
import random

_FIRST_WAIT, _LONGEST_WAIT = 0.001, 0.3  # seconds


class Tries:
    """``async for again in Tries():`` is left by whoever succeeds. again: False the first time.

    From the second conflict on there is a wait before the next try, a random while, longer with each: so many
    writers make room for each other.
    """

    def __init__(self) -> None:
        self._begun = 0

    def __aiter__(self) -> Tries:
        return self

    async def __anext__(self) -> bool:
        conflicts, self._begun = self._begun, self._begun + 1
        if conflicts > 1:
            await asyncio.sleep(random.random() * min(_FIRST_WAIT * 2**conflicts, _LONGEST_WAIT))
        return conflicts > 0
