"""One-time tickets: how an id that was rotated over a WebSocket reaches the browser's cookie.

No Set-Cookie can follow the 101, so the server sends a ticket over the socket, and the client POSTs
it to ``/rpc/session``. A ticket is 256 random bits; the store keeps a record under its hash for 30
seconds, so any process can redeem it. The record holds the new id encrypted with the ticket (a
one-time pad), and the hashes of the cookies that may present it.
"""

from __future__ import annotations

import secrets
import time
from base64 import urlsafe_b64decode
from dataclasses import replace
from hashlib import sha256

from rpc_sessions.session import merge
from rpc_sessions.session.cookie import id_bytes, id_text
from rpc_sessions.session.reserved import TICKET
from rpc_sessions.session.stores.base import Record, Store
from rpc_sessions.types import JSON

LIFETIME = 30.0
_SIZE = 32


async def issue(store: Store, id: str, browser_ids: list[str]) -> str:
    """A ticket for the session id, to be presented with the cookie of one of browser_ids."""
    pad = secrets.token_bytes(_SIZE)
    bound: list[JSON] = [_hash(old) for old in browser_ids]
    data = merge.pack({TICKET: {"to": _crypt(pad, id_bytes(id)).hex(), "for": bound}})
    now = time.time()
    await store.insert(_key(pad), Record(data, now, now + LIFETIME, None, secrets.token_hex(8)))
    return id_text(pad)


async def redeem(store: Store, ticket: str, cookie_id: str | None) -> str | None:
    """The session id of a ticket, once. None: unknown, late, used, or presented with another cookie."""
    pad = _pad(ticket)
    record = await store.load(_key(pad)) if pad else None
    if pad is None or record is None or cookie_id is None:
        return None
    content = merge.unpack(record.data).get(TICKET)
    bound, hidden = (content.get("for"), content.get("to")) if isinstance(content, dict) else (None, None)
    if not isinstance(bound, list) or not isinstance(hidden, str) or _hash(cookie_id) not in bound:
        return None
    # Two clients may have come this far; the swap lets one of them through.
    if not await store.replace(_key(pad), replace(record, expires=0.0, token=""), record):
        return None
    await store.delete(_key(pad))
    return id_text(_crypt(pad, bytes.fromhex(hidden)))


def _pad(ticket: str) -> bytes | None:
    try:
        pad = urlsafe_b64decode(ticket.encode("ascii") + b"=")
    except ValueError:
        return None
    return pad if len(pad) == _SIZE else None


def _key(pad: bytes) -> str:
    return sha256(b"ticket:" + pad).hexdigest()


def _hash(id: str) -> str:
    return sha256(id.encode()).hexdigest()


def _crypt(pad: bytes, id: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(pad, id, strict=True))
