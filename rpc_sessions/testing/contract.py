"""What the tests of a contract have in common: a store of their own each, and what they compare."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from rpc_sessions.session.merge import unpack
from rpc_sessions.session.reserved import RESERVED
from rpc_sessions.session.stores.base import Record, Store

Check = Callable[[Store], Awaitable[None]]


class Contract:
    """A part of ``StoreContract``, which says what its settings are."""

    precision = 0.01
    verbatim = True
    many = 100
    prompt = 5.0

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
