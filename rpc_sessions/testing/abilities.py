"""What a store may also do: find by user, list and tell; and that it can be closed."""

from __future__ import annotations

from rpc_sessions.session.stores.base import FindsByUser, ListsKeys, Store, Watches
from rpc_sessions.testing.contract import Contract
from rpc_sessions.testing.records import a_key, a_record
from rpc_sessions.testing.watcher import Watcher


class Abilities(Contract):
    """A test of what the store does not do passes."""

    def test_find_by_user_finds_live_sessions_of_that_user(self) -> None:
        async def check(store: Store) -> None:
            if not isinstance(store, FindsByUser):
                return
            mine, moved, gone, expired = a_key(), a_key(), a_key(), a_key()
            for key in (mine, moved, gone):
                await store.insert(key, a_record(user_id="ada"))
            await store.insert(expired, a_record(user_id="ada", lives=0.05))
            for user_id in (None, "", "adam", "Ada"):
                await store.insert(a_key(), a_record(user_id=user_id))
            await store.delete(gone)
            old = await store.load(moved)
            assert old is not None
            await store.replace(moved, a_record(user_id="eve"), old)
            await self.wait(0.05)
            found = await store.find_by_user("ada")
            assert [key for key, _ in found] == [mine]
            self.same(found[0][1], await store.load(mine) or a_record())
            assert [key for key, _ in await store.find_by_user("eve")] == [moved]
            assert list(await store.find_by_user("nobody")) == []

        self.run(check)

    def test_keys_lists_live_sessions(self) -> None:
        async def check(store: Store) -> None:
            if not isinstance(store, ListsKeys):
                return
            live = {a_key() for _ in range(120)}
            for key in live:
                await store.insert(key, a_record())
            await store.insert(a_key(), a_record(lives=0.05))
            await self.wait(0.05)
            found = [key async for key in store.keys()]  # noqa: SIM118 (it is no dict)
            assert len(found) == len(set(found)), "a key came twice"
            assert set(found) == live

        self.run(check)

    def test_who_watches_is_told_of_each_write(self) -> None:
        async def check(store: Store) -> None:
            if not isinstance(store, Watches):
                return
            inserted, replaced, retired, deleted = a_key(), a_key(), a_key(), a_key()
            for key in (replaced, retired, deleted):
                await store.insert(key, a_record())
            async with Watcher(store, self.prompt) as watcher:
                if watcher.ended:  # it cannot tell, and is polled
                    return
                assert watcher.heard[0] is None, "it told a key before it said that it listens"
                await store.insert(inserted, a_record())
                for key, lives in ((replaced, 60.0), (retired, -1.0)):
                    loaded = await store.load(key)
                    assert loaded is not None
                    assert await store.replace(key, a_record(lives=lives), loaded) is True
                assert await store.delete(deleted) is True
                await watcher.hears(inserted, replaced, retired, deleted)

        self.run(check)

    def test_close_without_use_and_twice(self) -> None:
        async def check(store: Store) -> None:
            await store.close()
            await store.close()

        self.run(check)
