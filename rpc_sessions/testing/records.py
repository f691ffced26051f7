"""Keys and records to test a store with."""

from __future__ import annotations

import time
from secrets import token_hex

from rpc_sessions.session.stores.base import Record


def a_key() -> str:
    """A key as the server makes them: 64 hexadecimal digits."""
    return token_hex(32)


def a_record(data: str = '{"n":1}', *, lives: float = 60.0, user_id: str | None = None) -> Record:
    """A record that was made now and expires in ``lives`` seconds; a negative number: it has expired."""
    now = time.time()
    return Record(data, now + min(lives - 60.0, 0.0), now + lives, user_id, token_hex(8))
