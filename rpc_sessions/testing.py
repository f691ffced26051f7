"""``StoreContract``: what every session store must do, as tests that you run on yours.

    class TestMyStore(StoreContract):
        async def make_store(self) -> Store:
            return MyStore("somewhere empty")

The tests are ordinary functions, each with an event loop of its own: pytest runs them without any
plugin, and beside any. A failure means that sessions would be lost, revived or shared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace as with_changes
from secrets import token_hex
from typing import Self

from rpc_sessions.session.merge import unpack
from rpc_sessions.session.reserved import RESERVED
from rpc_sessions.session.stores.base import FindsByUser, ListsKeys, Record, Store, Watches

Check = Callable[[Store], Awaitable[None]]
_ODD_TEXT = '{"a":"\\u0000 \' \\" $where {{}} %s \\\\ é 漢字 🙂","":{},"$set":{"a.b":1},"x.y":null}'


def a_key() -> str:
    """A key as the server makes them: 64 hexadecimal digits."""
    return token_hex(32)


def a_record(data: str = '{"n":1}', *, lives: float = 60.0, user_id: str | None = None) -> Record:
    """A record that was made now and expires in ``lives`` seconds; a negative number: it has expired."""
    now = time.time()
    return Record(data, now + min(lives - 60.0, 0.0), now + lives, user_id, token_hex(8))


class Watcher:
    """What a store tells, heard by a task: ``async with Watcher(store) as watcher``, once it listens or has ended.

    What the store raises is raised here and by ``hears``.
    within: how many seconds the store may take to listen, or to tell. heard: all that it told.
    """

    def __init__(self, store: Watches, within: float = 2.0) -> None:
        self._store, self._within = store, within
        self.heard: list[str | None] = []
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen())
        self._task.add_done_callback(lambda _task: self._news.set())
        try:
            await self._until(lambda: bool(self.heard) or self.ended, "it neither listens nor ends")
        except BaseException:
            await self.stop()
            raise
        if self.ended:
            await self._task
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    @property
    def ended(self) -> bool:
        """Whether the store has nothing more to tell."""
        return self._task.done()

    async def hears(self, *keys: str | None) -> None:
        """Wait until all of these were told. AssertionError if they are not."""
        await self._until(lambda: set(keys) <= set(self.heard), f"it was not told of some of {keys}")

    async def stop(self) -> None:
        """Stop to listen."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _listen(self) -> None:
        async for key in self._store.watch():
            self.heard.append(key)
            self._news.set()

    async def _until(self, done: Callable[[], bool], complaint: str) -> None:
        end = asyncio.get_running_loop().time() + self._within
        while not done():
            self._news.clear()
            if self.ended:
                await self._task
                raise AssertionError(complaint)
            try:
                async with asyncio.timeout_at(end):
                    await self._news.wait()
            except TimeoutError:
                raise AssertionError(complaint) from None


class StoreContract:
    """Subclass it and give it ``make_store``.

    precision: how exactly the store keeps times, in seconds. many: how many tasks fight for one key.
    prompt: within how many seconds a watcher is told.
    verbatim: whether records come back word for word. False, for the format of another system: the store reads
    records with tokens of its own, and with values of its own under keys that begin with "rpc."; a token that
    was read, or given, is compared all the same.
    """

    precision = 0.01
    verbatim = True
    many = 100
    prompt = 2.0

    async def make_store(self) -> Store:
        """An empty store, made in the loop that will use it."""
        raise NotImplementedError("StoreContract needs make_store")

    async def drop_store(self, store: Store) -> None:
        """After each test. Override it to close what ``make_store`` opened beside the store."""
        await store.close()

    def run(self, check: Check) -> None:
        """Run a check on a new store, in a new loop."""

        async def run() -> None:
            store = await self.make_store()
            try:
                await check(store)
            finally:
                await self.drop_store(store)

        asyncio.run(run())

    def same(self, found: Record | None, expected: Record) -> None:
        """Assert that a record came back as it was stored."""
        assert found is not None, "the record is not there"
        assert self.content(found) == self.content(expected), f"{found} instead of {expected}"
        assert abs(found.created - expected.created) <= self.precision, f"created: {found} instead of {expected}"
        assert abs(found.expires - expected.expires) <= self.precision, f"expires: {found} instead of {expected}"

    def content(self, record: Record) -> object:
        """What a record must come back with, beside its times."""
        if self.verbatim:
            return record.data, record.user_id, record.token
        values = {name: value for name, value in unpack(record.data).items() if not name.startswith(RESERVED)}
        return values, record.user_id

    async def wait(self, span: float) -> None:
        """Wait until a record that lives so long has expired."""
        await asyncio.sleep(span + 0.02 + self.precision)

    # -- insert and load ---------------------------------------------------------------------------

    def test_a_missing_key_is_none_or_false_everywhere(self) -> None:
        async def check(store: Store) -> None:
            key, record = a_key(), a_record()
            assert await store.load(key) is None
            assert await store.replace(key, a_record(), record) is False
            assert await store.touch(key, time.time() + 60) is False
            assert await store.delete(key) is False
            assert await store.load(key) is None, "replace, touch or delete made a record"

        self.run(check)

    def test_what_is_inserted_is_loaded(self) -> None:
        async def check(store: Store) -> None:
            first, second = a_key(), a_key()
            mine, other = a_record(user_id="ada"), a_record('{"n":2}')
            assert await store.insert(first, mine) is True
            assert await store.insert(second, other) is True
            self.same(await store.load(first), mine)
            self.same(await store.load(second), other)

        self.run(check)

    def test_insert_over_a_live_record_changes_nothing(self) -> None:
        async def check(store: Store) -> None:
            key, record = a_key(), a_record()
            await store.insert(key, record)
            assert await store.insert(key, a_record('{"n":2}')) is False
            self.same(await store.load(key), record)

        self.run(check)

    def test_any_text_comes_back_unchanged(self) -> None:
        async def check(store: Store) -> None:
            large = '{"large":"' + "é" * 500_000 + '"}'
            for data in ("{}", _ODD_TEXT, large):
                key, record = a_key(), a_record(data, user_id="Zoë 🙂 '; -- $ne")
                assert await store.insert(key, record) is True
                self.same(await store.load(key), record)
                changed = a_record(data)
                assert await store.replace(key, changed, record) is True
                self.same(await store.load(key), changed)

        self.run(check)

    # -- replace -----------------------------------------------------------------------------------

    def test_replace_needs_the_token_that_is_stored(self) -> None:
        async def check(store: Store) -> None:
            key, first = a_key(), a_record()
            await store.insert(key, first)
            assert await store.replace(key, a_record('{"n":9}'), a_record()) is False, "a wrong token"
            self.same(await store.load(key), first)
            second = a_record('{"n":2}', lives=90, user_id="ada")
            assert await store.replace(key, second, first) is True
            self.same(await store.load(key), second)
            assert await store.replace(key, a_record('{"n":3}'), first) is False, "a stale token"
            self.same(await store.load(key), second)
            third = a_record('{"n":4}')  # and the user is logged out again
            assert await store.replace(key, third, second) is True
            self.same(await store.load(key), third)

        self.run(check)

    def test_replace_takes_what_load_returned(self) -> None:
        async def check(store: Store) -> None:
            key = a_key()
            await store.insert(key, a_record())
            loaded = await store.load(key)
            assert loaded is not None
            changed = with_changes(loaded, data='{"n":2}', token=token_hex(8))
            assert await store.replace(key, changed, loaded) is True
            self.same(await store.load(key), changed)

        self.run(check)

    def test_what_was_read_before_another_write_is_stale(self) -> None:
        async def check(store: Store) -> None:
            key, record = a_key(), a_record()
            await store.insert(key, record)
            loaded, changed = await store.load(key), a_record('{"n":2}')
            assert loaded is not None
            assert await store.replace(key, changed, record) is True
            assert await store.replace(key, a_record('{"n":3}'), loaded) is False
            self.same(await store.load(key), changed)

        self.run(check)

    def test_replace_revives_nothing(self) -> None:
        async def check(store: Store) -> None:
            deleted, expired = a_key(), a_key()
            record, old = a_record(), a_record(lives=0.05)
            await store.insert(deleted, record)
            await store.delete(deleted)
            await store.insert(expired, old)
            await self.wait(0.05)
            for key, expected in ((deleted, record), (expired, old)):
                assert await store.replace(key, a_record(), expected) is False
                assert await store.load(key) is None

        self.run(check)

    def test_replace_may_end_a_record(self) -> None:
        """The id of a session is retired so, when the session moves to another."""

        async def check(store: Store) -> None:
            key, record = a_key(), a_record()
            await store.insert(key, record)
            assert await store.replace(key, with_changes(record, expires=0.0, token=token_hex(8)), record) is True
            assert await store.load(key) is None

        self.run(check)

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
            await store.insert(key, a_record(lives=0.5))
            assert await store.touch(key, time.time() + 60) is True
            await self.wait(0.5)
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

    # -- many at once ------------------------------------------------------------------------------

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

    # -- what a store may also do ------------------------------------------------------------------

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
