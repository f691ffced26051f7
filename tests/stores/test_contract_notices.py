"""The contract itself: each test of it fails on a store that is wrong in just that way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace as with_changes

import pytest

from rpc_sessions.session.stores.base import FindsByUser, ListsKeys, Record, Store
from rpc_sessions.session.stores.memory import MemoryStore
from rpc_sessions.testing import StoreContract


class InsertOverwrites(MemoryStore):
    async def insert(self, key: str, record: Record) -> bool:
        self._records[key] = record
        return True


class InsertSeesExpired(MemoryStore):
    async def insert(self, key: str, record: Record) -> bool:
        return key not in self._records and await super().insert(key, record)


class InsertLooksThenWrites(MemoryStore):
    async def insert(self, key: str, record: Record) -> bool:
        found = await self.load(key)
        await asyncio.sleep(0)
        if found is None:
            self._records[key] = record
        return found is None


class LoadSeesExpired(MemoryStore):
    async def load(self, key: str) -> Record | None:
        return self._records.get(key)


class TextIsLatin1(MemoryStore):
    async def insert(self, key: str, record: Record) -> bool:
        data = record.data.encode("latin-1", "replace").decode("latin-1")
        return await super().insert(key, with_changes(record, data=data))


class ReplaceComparesNothing(MemoryStore):
    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        if await self.load(key) is None:
            return False
        self._records[key] = record
        return True


class ReplaceLooksThenWrites(MemoryStore):
    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        found = await self.load(key)
        await asyncio.sleep(0)
        if found is None or found.token != expected.token:
            return False
        self._records[key] = record
        return True


class ReplaceMakesRecords(MemoryStore):
    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        found = self._records.get(key)
        if found is not None and found.token != expected.token:
            return False
        self._records[key] = record
        return True


class ReplaceForgetsTheUser(MemoryStore):
    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        user_id = record.user_id or expected.user_id
        return await super().replace(key, with_changes(record, user_id=user_id), expected)


class ReplaceKeepsTheExpiry(MemoryStore):
    async def replace(self, key: str, record: Record, expected: Record) -> bool:
        return await super().replace(key, with_changes(record, expires=expected.expires), expected)


class TouchMakesRecords(MemoryStore):
    async def touch(self, key: str, expires: float) -> bool:
        if key in self._records:
            self._records[key] = with_changes(self._records[key], expires=expires)
        return key in self._records


class TouchChangesTheToken(MemoryStore):
    async def touch(self, key: str, expires: float) -> bool:
        if await super().touch(key, expires):
            self._records[key] = with_changes(self._records[key], token="new")
            return True
        return False


class TouchOfNothingNewIsFalse(MemoryStore):
    async def touch(self, key: str, expires: float) -> bool:
        record = await self.load(key)
        return record is not None and record.expires != expires and await super().touch(key, expires)


class TouchDoesNothing(MemoryStore):
    async def touch(self, key: str, expires: float) -> bool:
        return await self.load(key) is not None


class DeleteIsAlwaysTrue(MemoryStore):
    async def delete(self, key: str) -> bool:
        await super().delete(key)
        return True


class DeleteDeletesAll(MemoryStore):
    async def delete(self, key: str) -> bool:
        found = await super().delete(key)
        self._records.clear()
        return found


class DeleteDeletesNothing(MemoryStore):
    async def delete(self, key: str) -> bool:
        return await self.load(key) is not None


class DeleteLooksThenWrites(MemoryStore):
    async def delete(self, key: str) -> bool:
        found = await self.load(key)
        await asyncio.sleep(0)
        self._records.pop(key, None)
        return found is not None


class GcTakesAll(MemoryStore):
    async def gc(self, now: float) -> int:
        return await super().gc(float("inf"))


class GcCountsWrong(MemoryStore):
    async def gc(self, now: float) -> int:
        return len(self._records)


class FindsExpired(MemoryStore):
    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        return [(key, record) for key, record in self._records.items() if record.user_id == user_id]


class FindsSimilar(MemoryStore):
    async def find_by_user(self, user_id: str) -> Sequence[tuple[str, Record]]:
        now = time.time()
        live = [(key, record) for key, record in self._records.items() if record.expires > now]
        return [(key, record) for key, record in live if (record.user_id or "").lower().startswith(user_id)]


class ListsExpired(MemoryStore):
    async def keys(self) -> AsyncIterator[str]:
        for key in self._records:
            yield key


class ListsTwice(MemoryStore):
    async def keys(self) -> AsyncIterator[str]:
        for key in list(self._records) * 2:
            if await self.load(key):
                yield key


class TellsOf(MemoryStore):
    """What it is set up to tell, and no more."""

    def __init__(self, *methods: str) -> None:
        super().__init__()
        self._told = asyncio.Queue[str]()
        self._listens = "listening" in methods
        for name in set(methods) & {"insert", "replace", "delete"}:
            setattr(self, name, self._telling(getattr(self, name)))

    def _telling(self, method: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
        async def tells(key: str, *arguments: object) -> bool:
            self._told.put_nowait(key)
            return await method(key, *arguments)

        return tells

    async def watch(self) -> AsyncIterator[str | None]:
        self._told = asyncio.Queue[str]()
        if self._listens:
            yield None
        while True:
            yield await self._told.get()


class ClosesOnce(MemoryStore):
    async def close(self) -> None:
        del self._records


WRONG: list[tuple[type[MemoryStore], str]] = [
    (InsertOverwrites, "insert_over_a_live_record_changes_nothing"),
    (InsertSeesExpired, "an_expired_record_is_not_there_before_any_sweep"),
    (InsertLooksThenWrites, "of_many_inserts_one_wins"),
    (LoadSeesExpired, "an_expired_record_is_not_there_before_any_sweep"),
    (LoadSeesExpired, "replace_may_end_a_record"),
    (TextIsLatin1, "any_text_comes_back_unchanged"),
    (ReplaceComparesNothing, "replace_needs_the_token_that_is_stored"),
    (ReplaceComparesNothing, "what_was_read_before_another_write_is_stale"),
    (ReplaceLooksThenWrites, "of_many_replaces_one_wins"),
    (ReplaceLooksThenWrites, "a_replace_beside_a_delete_revives_nothing"),
    (ReplaceMakesRecords, "a_missing_key_is_none_or_false_everywhere"),
    (ReplaceMakesRecords, "replace_revives_nothing"),
    (ReplaceForgetsTheUser, "replace_needs_the_token_that_is_stored"),
    (ReplaceKeepsTheExpiry, "replace_needs_the_token_that_is_stored"),
    (TouchMakesRecords, "touch_revives_nothing"),
    (TouchChangesTheToken, "touch_moves_the_expiry_and_nothing_else"),
    (TouchChangesTheToken, "touch_makes_nothing_stale_that_was_read"),
    (TouchOfNothingNewIsFalse, "touch_of_the_same_expiry_finds_the_record"),
    (TouchDoesNothing, "touch_moves_the_expiry_and_nothing_else"),
    (TouchDoesNothing, "a_record_that_was_touched_outlives_its_first_expiry"),
    (DeleteIsAlwaysTrue, "delete_is_final"),
    (DeleteDeletesAll, "delete_is_final"),
    (DeleteDeletesNothing, "delete_is_final"),
    (DeleteLooksThenWrites, "of_many_deletes_one_wins"),
    (GcTakesAll, "gc_takes_expired_records_only"),
    (GcCountsWrong, "gc_takes_expired_records_only"),
    (FindsExpired, "find_by_user_finds_live_sessions_of_that_user"),
    (FindsSimilar, "find_by_user_finds_live_sessions_of_that_user"),
    (ListsExpired, "keys_lists_live_sessions"),
    (ListsTwice, "keys_lists_live_sessions"),
    (ClosesOnce, "close_without_use_and_twice"),
]


@pytest.mark.parametrize(("store", "test"), WRONG, ids=lambda part: getattr(part, "__name__", part))
def test_a_wrong_store_fails(store: type[MemoryStore], test: str) -> None:
    class Contract(StoreContract):
        async def make_store(self) -> Store:
            return store()

    with pytest.raises((AssertionError, AttributeError)):
        getattr(Contract(), f"test_{test}")()


@pytest.mark.parametrize("left_out", ["listening", "insert", "replace", "delete", None])
def test_a_store_that_watches_tells_of_all(left_out: str | None) -> None:
    class Contract(StoreContract):
        prompt = 0.2 if left_out else 15.0

        async def make_store(self) -> Store:
            return TellsOf(*{"listening", "insert", "replace", "delete"} - {left_out})

    test = Contract().test_who_watches_is_told_of_each_write
    if left_out is None:
        test()
    else:
        with pytest.raises(AssertionError):
            test()


def test_a_store_need_not_find_or_list() -> None:
    class Least:
        def __init__(self) -> None:
            inner = MemoryStore()
            for name in ("load", "insert", "replace", "touch", "delete", "gc", "close"):
                setattr(self, name, getattr(inner, name))

    class Contract(StoreContract):
        async def make_store(self) -> Store:
            return Least()  # type: ignore[return-value]  # it has them, set one by one

    assert not isinstance(Least(), FindsByUser)
    assert not isinstance(Least(), ListsKeys)
    for name in dir(Contract):
        if name.startswith("test_"):
            getattr(Contract(), name)()


def test_without_make_store_it_says_what_to_do() -> None:
    with pytest.raises(NotImplementedError, match="make_store"):
        StoreContract().test_delete_is_final()
