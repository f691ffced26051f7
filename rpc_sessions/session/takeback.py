"""What the store did not confirm is taken back: the caller was told that it failed, so it has.

Nobody knows if it was done. It is looked after in the background, until the store answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session import moved
from rpc_sessions.session.stores.base import Record, Store


class Swap(NamedTuple):
    """What ``Store.replace`` takes."""

    key: str
    record: Record
    expected: Record


async def take_back(store: Store, new: Swap, old: Swap | None = None) -> None:
    """Undo a move, or a first save. new: of what was stored under the new key. old: of the note under the old key.

    The new key first: who ends or changes the session there meanwhile must not find that undone. Once somebody has,
    all stays as it is.
    """

    async def undo() -> None:
        there = await store.load(new.key)  # where nothing can be written now, nothing has to be
        done = there is not None and (await store.replace(*new) or moved.same(there, new.record))
        if done and old:
            await store.replace(*old)

    await insist(undo)


async def insist(work: Callable[[], Awaitable[object]]) -> None:
    """Do this until the store answers, as long as a note is kept."""
    for pause in (0.1, 0.2, 0.5, *[1.0] * int(moved.KEPT)):
        try:
            await work()
            return
        except StoreUnavailable:
            await asyncio.sleep(pause)
