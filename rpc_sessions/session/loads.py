"""Reads of one session, never two at a time: the calls that ask while one is under way share the next.

So each call sees the session as it was at that call or later, and a busy socket costs few reads.
"""

from __future__ import annotations

import asyncio

from rpc_sessions.session.stores.base import Record, Store


class _Read:
    """One read: led by the call that asked first, shared by those that joined before it began."""

    def __init__(self) -> None:
        self.over: asyncio.Future[Record | None] | None = None  # made for the first that waits

    def join(self) -> asyncio.Future[Record | None]:
        """To be shielded: a call that is cancelled takes the result from nobody."""
        if self.over is None:
            self.over = asyncio.get_running_loop().create_future()
        return self.over

    def end(self, record: Record | None, error: BaseException | None) -> None:
        if self.over is None:
            return
        if error is None:
            self.over.set_result(record)
        elif isinstance(error, Exception):
            self.over.set_exception(error)
            self.over.exception()  # if all who joined were cancelled, nobody asks for it
        else:
            self.over.cancel()


class Loads:
    """The reads that have not begun, and those under way, by key."""

    def __init__(self) -> None:
        self._next: dict[str, _Read] = {}
        self._under_way: dict[str, _Read] = {}

    async def load(self, store: Store, key: str) -> Record | None:
        """What ``store.load`` gives, from a read that begins now or later."""
        while read := self._next.get(key):
            over = read.join()
            try:
                return await asyncio.shield(over)
            except asyncio.CancelledError:
                me = asyncio.current_task()
                if not over.cancelled() or (me and me.cancelling()):
                    raise  # this call was cancelled, not only the one that led
        return await self._lead(store, key)

    async def _lead(self, store: Store, key: str) -> Record | None:
        read = _Read()
        record, error = None, None
        try:
            await self._wait_for_turn(key, read)
            record = await store.load(key)
        except BaseException as raised:
            error = raised
            raise
        finally:
            if self._under_way.get(key) is read:
                del self._under_way[key]
            read.end(record, error)
        return record

    async def _wait_for_turn(self, key: str, read: _Read) -> None:
        self._next[key] = read
        try:
            await asyncio.sleep(0)  # who is ready now can still join
            while before := self._under_way.get(key):
                await asyncio.wait((before.join(),))
        finally:
            del self._next[key]
        self._under_way[key] = read
