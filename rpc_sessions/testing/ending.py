"""Touch, delete and expiry: what has ended stays so."""

from __future__ import annotations

import time
from dataclasses import replace as with_changes

from rpc_sessions.session.stores.base import Store
from rpc_sessions.testing.contract import Contract
from rpc_sessions.testing.records import a_key, a_record


class Ending(Contract):
    """How long a record is there."""

    # -- touch, delete -----------------------------------------------------------------------------

    def test_touch_moves_the_expiry_and_nothing_else(self) -> None:
        async def check(store: Store) -> None:
            key, record = a_key(), a_record(user_id="ada")
            await store.insert(key, record)
            assert await store.touch(key, record.expires + 500) is True
            self.same(await store.load(key), with_changes(record, expires=record.expires + 500))
            assert await store.replace(key, a_record('{"n":2}'), record) is True, "touch changed the token"

        self.run(check)

    def test_touch_makes_nothing_stale_that_was_read(self) -> None:
        async def check(store: Store) -> None:
            key = a_key()
            await store.insert(key, a_record())
            loaded = await store.load(key)
            assert loaded is not None
            await store.touch(key, loaded.expires + 500)
            assert await store.replace(key, a_record('{"n":2}'), loaded) is True

        self.run(check)

    def test_touch_of_the_same_expiry_finds_the_record(self) -> None:
        async def check(store: Store) -> None:
            key, record = a_key(), a_record()
            await store.insert(key, record)
            assert await store.touch(key, record.expires) is True
            assert await store.touch(key, record.expires) is True

        self.run(check)

    def test_touch_revives_nothing(self) -> None:
        async def check(store: Store) -> None:
            deleted, expired = a_key(), a_key()
            await store.insert(deleted, a_record())
            await store.delete(deleted)
            await store.insert(expired, a_record(lives=0.05))
            await self.wait(0.05)
            for key in (deleted, expired):
                assert await store.touch(key, time.time() + 60) is False
                assert await store.load(key) is None

        self.run(check)

    def test_delete_is_final(self) -> None:
        async def check(store: Store) -> None:
            key, other = a_key(), a_key()
            await store.insert(key, a_record())
            await store.insert(other, a_record())
            assert await store.delete(key) is True
            assert await store.load(key) is None
            assert await store.delete(key) is False
            assert await store.load(other) is not None, "delete took another record with it"

        self.run(check)

    # -- expiry ------------------------------------------------------------------------------------

    def test_an_expired_record_is_not_there_before_any_sweep(self) -> None:
        async def check(store: Store) -> None:
            loaded, deleted, again = a_key(), a_key(), a_key()
            for key in (loaded, deleted, again):
                await store.insert(key, a_record(lives=0.05))
            await self.wait(0.05)
            assert await store.load(loaded) is None
            assert await store.delete(deleted) is False
            fresh = a_record('{"n":2}')
            assert await store.insert(again, fresh) is True
            self.same(await store.load(again), fresh)

        self.run(check)

    def test_a_record_that_was_touched_outlives_its_first_expiry(self) -> None:
        async def check(store: Store) -> None:
            key = a_key()
            assert await store.load(key) is None  # it is connected now: that may take longer than the record lives
            await store.insert(key, a_record(lives=2))
            assert await store.touch(key, time.time() + 60) is True
            await self.wait(2)
            assert await store.load(key) is not None

        self.run(check)

    def test_gc_takes_expired_records_only(self) -> None:
        async def check(store: Store) -> None:
            live = {a_key(): a_record() for _ in range(3)}
            for key, record in live.items():
                await store.insert(key, record)
            for _ in range(3):
                await store.insert(a_key(), a_record(lives=0.05))
            await self.wait(0.05)
            assert 0 <= await store.gc(time.time()) <= 3  # a backend that sweeps by itself finds fewer
            assert await store.gc(time.time()) == 0
            for key, record in live.items():
                self.same(await store.load(key), record)

        self.run(check)
