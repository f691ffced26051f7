"""A user's sessions, seen from outside: what a page "where you are logged in" and the command line show.

The functions are methods of ``ss.session``. Sessions are named by their key in the store, never by the id:
a key opens nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rpc_sessions.errors import ConfigError
from rpc_sessions.session import ending, logins, merge
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.merge import Values
from rpc_sessions.session.moved import Moved
from rpc_sessions.session.reserved import MOVED, RESERVED, TICKET
from rpc_sessions.session.session import Session
from rpc_sessions.session.stores.base import FindsByUser, ListsKeys, Record, Store

if TYPE_CHECKING:
    from rpc_sessions.session.sessions import Sessions

_ROUNDS = 10
_BATCH = 100


@dataclass(frozen=True)
class SessionInfo:
    """One session. Times are UTC. seen: when it was last used, as far as that was written (``touch_after``).

    ip, agent: where its user logged in from; "" if nobody has, or by another application.
    """

    key: str
    user_id: str | None
    created: datetime
    seen: datetime
    expires: datetime
    ip: str
    agent: str


async def of_user(sessions: Sessions, user_id: str) -> list[SessionInfo]:
    """The sessions of a user, the latest used first. ConfigError if the store cannot list them."""
    found = [_info(sessions, key, record) for key, record in await _find(sessions.store.current, user_id)]
    return sorted(found, key=lambda info: info.seen, reverse=True)


async def all(sessions: Sessions) -> AsyncIterator[SessionInfo]:
    """Every session. ConfigError if the store cannot list them."""
    store = sessions.store.current
    if not isinstance(store, ListsKeys):
        raise ConfigError(f"the store {sessions.store.name!r} cannot list its sessions: it has no method keys")
    keys: list[str] = []
    async for key in store.keys():
        keys.append(key)
        if len(keys) == _BATCH:
            for info in await _infos(sessions, keys):
                yield info
            keys = []
    for info in await _infos(sessions, keys):
        yield info


async def show(sessions: Sessions, key: str) -> tuple[SessionInfo, Values] | None:
    """A session by its key, and its values; None if there is none."""
    record = await sessions.store.current.load(key)
    if record is None or not _is_session(record):
        return None
    values = {name: value for name, value in merge.unpack(record.data).items() if not name.startswith(RESERVED)}
    return _info(sessions, key, record), values


async def end(sessions: Sessions, key: str) -> bool:
    """End a session, and close its sockets everywhere. False if there is none."""
    claim = sessions.claims.get(key) or Claim("", key, fresh=False)
    try:
        return await ending.end(sessions, claim, None)
    except Moved:  # just now, to a key that is not known here
        return False


async def end_all(sessions: Sessions, user_id: str, but: Session | str | None = None) -> int:
    """End all sessions of a user everywhere, and close their sockets. How many there were.

    but: a session, or its id, that stays. What logs in meanwhile is ended, too. ConfigError if the store
    cannot list a user's sessions.
    """
    kept = but.claim.key if isinstance(but, Session) else sessions.key_for(but) if but else None
    # To the end: the session of the caller may be among them, and with it its socket and this call end.
    return await sessions.turns.to_the_end(_end_all(sessions, user_id, kept))


async def _end_all(sessions: Sessions, user_id: str, kept: str | None) -> int:
    count = 0
    for _ in range(_ROUNDS):
        found = await _find(sessions.store.current, user_id)
        keys = [key for key, _ in found if key != kept]
        if not keys:
            break
        count += sum(await asyncio.gather(*(end(sessions, key) for key in keys)))
    return count


async def _find(store: Store, user_id: str) -> list[tuple[str, Record]]:
    if not isinstance(store, FindsByUser):
        raise ConfigError(f"{type(store).__name__} cannot list a user's sessions: it has no method find_by_user")
    return list(await store.find_by_user(user_id))


async def _infos(sessions: Sessions, keys: list[str]) -> list[SessionInfo]:
    records = await asyncio.gather(*(sessions.store.current.load(key) for key in keys))
    pairs = zip(keys, records, strict=True)
    return [_info(sessions, key, record) for key, record in pairs if record and _is_session(record)]


def _is_session(record: Record) -> bool:
    return not (TICKET in record.data or MOVED in record.data) or not merge.unpack(record.data).keys() & {TICKET, MOVED}


def _info(sessions: Sessions, key: str, record: Record) -> SessionInfo:
    seen = max(record.created, record.expires - sessions.lifetimes.idle_of(record))
    ip, agent = logins.noted(record.data)
    created, last, expires = (datetime.fromtimestamp(at, UTC) for at in (record.created, seen, record.expires))
    return SessionInfo(key, record.user_id, created, last, expires, ip, agent)
