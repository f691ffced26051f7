"""What is left under the old key of a session that has moved to a new id: for GRACE seconds, a note.

Sockets that already speak for the session follow it, in every process. When the new id has to reach the
browser by a ticket, the move is guarded: whoever still carries the old cookie is refused writing, which
would give the browser a third cookie. Until the ticket is redeemed they read what was there before the move,
unless that would show somebody's data after they logged out. The note holds the new id encrypted with the
old one (one-time pad): who reads the store learns neither.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace as with_changes
from hashlib import sha256

from rpc_sessions.errors import SessionGone
from rpc_sessions.session import merge
from rpc_sessions.session.cookie import id_bytes, id_text
from rpc_sessions.session.reserved import MOVED
from rpc_sessions.session.stores.base import Record, Store

GRACE = 10.0
HTTP_GRACE = 3.0  # the reply has the new cookie: this is for requests that were sent before it came
KEPT = 60.0  # seconds that the note itself is there: so long, a move that the store did not confirm can be taken back


class Moved(SessionGone):
    """The session has another id now.

    guarded: whoever has the old one may not write. before: what they may still read. until: when the note's
    time is over, in seconds since the epoch; late: it is.
    """

    MESSAGE = "The session has moved to a new id: try again with the new cookie"

    def __init__(self, id: str, *, guarded: bool, before: Record | None, until: float) -> None:
        super().__init__()
        self.id = id
        self.guarded = guarded
        self.until = until
        self.late = until <= time.time()
        self.before = before


def note(old_id: str, new_id: str, *, guard: float = 0.0, before: Record | None = None) -> Record:
    """The record to leave under the old key. guard: for so many seconds it is guarded. before: see ``Moved``."""
    now = time.time()
    content: merge.Values = {
        "to": _crypt(old_id, id_bytes(new_id)).hex(),
        "until": now + GRACE,
        "guarded": now + guard,
    }
    if before is not None:
        content |= {"data": before.data, "user_id": before.user_id, "created": before.created}
    return Record(merge.pack({MOVED: content}), now, now + KEPT, None, secrets.token_hex(8))


def dead_end(id: str) -> Record:
    """A note that is late from the beginning, so nobody follows it. id: any, by which ``same`` knows it again."""
    now = time.time()
    content: merge.Values = {"to": id_bytes(id).hex(), "until": 0.0}
    return Record(merge.pack({MOVED: content}), now, now + KEPT, None, secrets.token_hex(8))


def same(record: Record, note: Record) -> bool:
    """Whether a record that was read is this note. By its content: not every format keeps the token."""
    return MOVED in record.data and merge.unpack(record.data)[MOVED] == merge.unpack(note.data).get(MOVED)


def readable(base: Record, user_id: str | None) -> Record | None:
    """The record, if its old id may read it on: nobody was logged in, or it is still the same user."""
    return base if base.user_id in (None, user_id) else None


def read(record: Record, old_id: str) -> Moved | None:
    """The note, if the record is one. It is late when an Express app has kept it alive beyond its time."""
    content = merge.unpack(record.data).get(MOVED) if MOVED in record.data else None
    if not isinstance(content, dict):
        return None
    to, until, data, user_id, created = (content.get(name) for name in ("to", "until", "data", "user_id", "created"))
    if not isinstance(to, str) or not isinstance(until, float | int):
        return None
    before = None
    if isinstance(data, str) and isinstance(created, float | int):
        before = Record(data, created, record.expires, user_id if isinstance(user_id, str) else None, record.token)
    new_id = id_text(_crypt(old_id, bytes.fromhex(to)))
    guarded = content.get("guarded")
    return Moved(
        new_id,
        guarded=isinstance(guarded, float | int) and guarded > time.time(),
        before=before,
        until=until,
    )


async def arrived(store: Store, key: str) -> None:
    """The browser has the new cookie: from now on, the old id reads nothing."""
    record = await store.load(key)
    content = merge.unpack(record.data).get(MOVED) if record and MOVED in record.data else None
    if record and isinstance(content, dict) and "data" in content:
        left: merge.Values = {name: content[name] for name in ("to", "until", "guarded")}
        await store.replace(
            key, with_changes(record, data=merge.pack({MOVED: left}), token=secrets.token_hex(8)), record
        )


def _crypt(old_id: str, new_id: bytes) -> bytes:
    pad = sha256(b"moved:" + old_id.encode()).digest()
    return bytes(a ^ b for a, b in zip(pad, new_id, strict=True))
