"""``StoreContract``: what every session store must do, as tests that you run on yours.

    class TestMyStore(StoreContract):
        async def make_store(self) -> Store:
            return MyStore("somewhere empty")

The tests are ordinary functions, each with an event loop of its own: pytest runs them without any
plugin, and beside any. A failure means that sessions would be lost, revived or shared.
"""

from __future__ import annotations

from rpc_sessions.testing.abilities import Abilities
from rpc_sessions.testing.ending import Ending
from rpc_sessions.testing.racing import Racing
from rpc_sessions.testing.records import a_key, a_record
from rpc_sessions.testing.watcher import Watcher
from rpc_sessions.testing.writing import Writing

__all__ = ["StoreContract", "Watcher", "a_key", "a_record"]


class StoreContract(Abilities, Racing, Ending, Writing):
    """Subclass it and give it ``make_store``.

    precision: how exactly the store keeps times, in seconds. many: how many tasks fight for one key.
    prompt: within how many seconds a watcher is told.
    verbatim: whether records come back word for word. False, for the format of another system: the store reads
    records with tokens of its own, and with values of its own under keys that begin with "rpc."; a token that
    was read, or given, is compared all the same.
    """
