"""Insert, load and replace: a record comes back as it was stored, and only its token lets it be replaced."""

from __future__ import annotations

import time
from dataclasses import replace as with_changes
from secrets import token_hex

from rpc_sessions.session.stores.base import Store
from rpc_sessions.testing.contract import Contract
from rpc_sessions.testing.records import a_key, a_record

_ODD_TEXT = '{"a":"\\u0000 \' \\" $where {{}} %s \\\\ é 漢字 🙂","":{},"$set":{"a.b":1},"x.y":null}'


class Writing(Contract):
    """What is stored, and over what."""

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
