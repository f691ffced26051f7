"""A user's sessions, seen from outside: what a page "where you are logged in" and the command line show.

The functions are methods of ``ss.session``. Sessions are named by their key in the store, never by the id:
a key opens nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rpc_sessions.errors import ConfigError
from rpc_sessions.session import ending, logins, merge, moved
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.merge import Values
from rpc_sessions.session.moved import Moved
from rpc_sessions.session.reserved import MOVED, RESERVED, TICKET
from rpc_sessions.session.session import Session
from rpc_sessions.session.stores.base import FindsByUser, ListsKeys, Record, Store
from rpc_sessions.session.stores.damaged import skipping_corrupt
from rpc_sessions.session.stores.express import KEY

if TYPE_CHECKING:
    from rpc_sessions.session.sessions import Sessions

_ROUNDS = 10
_BATCH = 100
_HASH = re.compile(r"[0-9a-f]{64}")


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
    """The sessions of a user, the latest used first. ConfigError if the store cannot list them.

    TypeError for a user id that is no str, such as None. A damaged session is left out, and reported in the log.
    """
    found = []
    for key, record in await _find(sessions.store.current, user_id):
        with skipping_corrupt(_logged(sessions, key)):
            found.append(_info(sessions, key, record))
    return sorted(found, key=lambda info: info.seen, reverse=True)


async def all(sessions: Sessions) -> AsyncIterator[SessionInfo]:
    """Every session. ConfigError if the store cannot list them. What is damaged is left out, and reported."""
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
    """A session by its key, and its values; None if there is none. TypeError for a key that is no str."""
    record = await _load(sessions, key)
    if record is None or not _is_session(record):
        return None
    values = {name: value for name, value in merge.unpack(record.data).items() if not name.startswith(RESERVED)}
    return _info(sessions, key, record), values


async def end(sessions: Sessions, key: str) -> bool:
    """End a session, and close its sockets everywhere. False if there is none. TypeError for a key that is no str."""
    if not _is_key(sessions, key):
        return False
    claim = sessions.claims.get(key) or Claim("", key, fresh=False)
    try:
        return await ending.end(sessions, claim, None)
    except Moved:  # just now, to a key that is not known here
        return False


async def end_all(sessions: Sessions, user_id: str, but: Session | str | None = None) -> int:
    """End all sessions of a user everywhere, and close their sockets. How many there were.

    but: a session, or its id, that stays. What logs in meanwhile is ended, too. ConfigError if the store
    cannot list a user's sessions; TypeError for a user id that is no str, such as None.
    """
    # To the end: the session of the caller may be among them, and with it its socket and this call end.
    return await sessions.turns.to_the_end(_end_all(sessions, user_id, but))


async def _end_all(sessions: Sessions, user_id: str, but: Session | str | None) -> int:
    count = 0
    for _ in range(_ROUNDS):
        found = await _find(sessions.store.current, user_id)
        kept = await _keys_of(sessions, but)  # after what was found: it may have moved just before
        keys = [key for key, _ in found if key not in kept]
        if not keys:
            break
        count += sum(await asyncio.gather(*(end(sessions, key) for key in keys)))
    return count


async def _keys_of(sessions: Sessions, session: Session | str | None) -> set[str]:
    """The key of a session, and those of wherever it has moved."""
    keys = set()
    id = session.id if isinstance(session, Session) else session
    while id:
        keys.add(key := sessions.key_for(id))
        record = await _load(sessions, key)
        gone = moved.read(record, id) if record else None
        id = gone.id if gone else None
    return keys


async def _find(store: Store, user_id: str) -> list[tuple[str, Record]]:
    _check_text("a user id", user_id)
    if not isinstance(store, FindsByUser):
        raise ConfigError(f"{type(store).__name__} cannot list a user's sessions: it has no method find_by_user")
    return list(await store.find_by_user(user_id))


async def _infos(sessions: Sessions, keys: list[str]) -> list[SessionInfo]:
    found = await asyncio.gather(*(_listed(sessions, key) for key in keys))
    return [info for info in found if info]


async def _listed(sessions: Sessions, key: str) -> SessionInfo | None:
    with skipping_corrupt(_logged(sessions, key)):
        record = await sessions.store.current.load(key)
        return _info(sessions, key, record) if record and _is_session(record) else None
    return None


async def _load(sessions: Sessions, key: str) -> Record | None:
    return await sessions.store.current.load(key) if _is_key(sessions, key) else None


def _is_key(sessions: Sessions, key: str) -> bool:
    """Whether a session may have this key: no store is asked for any other."""
    _check_text("a key", key)
    return (KEY if sessions.store.plain_ids else _HASH).fullmatch(key) is not None


def _check_text(what: str, value: object) -> None:
    """TypeError for what a caller may have sent instead of a text: to a database it can be a query."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is a string, not {value!r}")


def _logged(sessions: Sessions, key: str) -> str:
    """A key for the log. Of one that is the session's id the beginning will do."""
    return f"{key[:6]}..." if sessions.store.plain_ids else key


def _is_session(record: Record) -> bool:
    return not (TICKET in record.data or MOVED in record.data) or not merge.unpack(record.data).keys() & {TICKET, MOVED}


def _info(sessions: Sessions, key: str, record: Record) -> SessionInfo:
    seen = max(record.created, record.expires - sessions.lifetimes.idle_of(record))
    ip, agent = logins.noted(record.data)
    created, last, expires = (datetime.fromtimestamp(at, UTC) for at in (record.created, seen, record.expires))
    return SessionInfo(key, record.user_id, created, last, expires, ip, agent)
