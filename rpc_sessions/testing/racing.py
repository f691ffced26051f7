"""Many at once: of all who fight for a key one wins."""

from __future__ import annotations

import asyncio
import time

from rpc_sessions.session.stores.base import Store
from rpc_sessions.testing.contract import Contract
from rpc_sessions.testing.records import a_key, a_record


class Racing(Contract):
    """Tasks that fight for one key."""

    def test_of_many_inserts_one_wins(self) -> None:
        async def check(store: Store) -> None:
            key = a_key()
            records = [a_record(f'{{"n":{n}}}') for n in range(self.many)]
            won = await asyncio.gather(*(store.insert(key, record) for record in records))
            assert won.count(True) == 1, f"{won.count(True)} inserts of one key succeeded"
            self.same(await store.load(key), records[won.index(True)])

        self.run(check)

    def test_of_many_replaces_one_wins(self) -> None:
        async def check(store: Store) -> None:
            key, current = a_key(), a_record()
            await store.insert(key, current)
            for _ in range(3):
                records = [a_record(f'{{"n":{n}}}') for n in range(self.many)]
                won = await asyncio.gather(*(store.replace(key, record, current) for record in records))
                assert won.count(True) == 1, f"{won.count(True)} replaces of one token succeeded"
                current = records[won.index(True)]
                self.same(await store.load(key), current)

        self.run(check)

    def test_of_many_deletes_one_wins(self) -> None:
        async def check(store: Store) -> None:
            key = a_key()
            await store.insert(key, a_record())
            won = await asyncio.gather(*(store.delete(key) for _ in range(self.many)))
            assert won.count(True) == 1, f"{won.count(True)} deletes of one record succeeded"

        self.run(check)

    def test_a_replace_beside_a_delete_revives_nothing(self) -> None:
        async def check(store: Store) -> None:
            for _ in range(10):
                key, record = a_key(), a_record()
                await store.insert(key, record)
                await asyncio.gather(
                    store.replace(key, a_record(), record), store.delete(key), store.touch(key, time.time() + 60)
                )
                assert await store.load(key) is None

        self.run(check)
