"""A session is stored for the first time: where its browser knows the id, or under a new id, which it is told of.

A new id is given at log-in, and where another process may have handed the old one out. That one, or whoever else
comes with the old id, finds a note. What the store does not confirm under a new id is taken back.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.session import moved
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.cookie import new_id
from rpc_sessions.session.ending import retired
from rpc_sessions.session.merge import Changes
from rpc_sessions.session.stores.base import Record, Store
from rpc_sessions.session.takeback import Swap, take_back

if TYPE_CHECKING:
    from rpc_sessions.session.session import Session
    from rpc_sessions.session.tracking import Tracking


async def insert(session: Session, mine: Changes, user_id: str | None = None, *, anew: bool = False) -> bool:
    """Store a new session, if anew under another id. False if there is one already."""
    # To the end, even if this call is cancelled: the store may have done it already.
    return await session.sessions.turns.to_the_end(_insert(session, mine, user_id, anew=anew))


async def _insert(session: Session, mine: Changes, user_id: str | None, *, anew: bool) -> bool:
    sessions, claim = session.sessions, session.claim
    async with sessions.turns.turn(claim):
        if not claim.may_insert:
            return False
        if not (claim.borrowed or anew):
            return await _insert_here(session, mine, user_id)
        with _to_new_id(sessions, claim):
            async with sessions.turns.turn(claim):  # under the new id, too
                if anew and not mine and user_id is None:
                    return await _announce_unstored(session)
                return await _insert_here(session, mine, user_id)


@contextmanager
def _to_new_id(sessions: Tracking, claim: Claim) -> Iterator[None]:
    """A fresh claim goes to a new id. If the store does not confirm what is stored there, it goes back.

    So the browser has the id that the claim has. What was stored is taken back before anybody reads the session.
    """
    old, claims = claim.id, [each for each in {claim, sessions.claims.get(claim.key)} if each]
    known = [(each.borrowed, each.came_with, each.browser_ids) for each in claims]
    sessions.moved(claim, new_id(), fresh=True)
    try:
        yield
    except StoreUnavailable:
        failed = Claim(claim.id, claim.key, fresh=False)
        sessions.moved(claim, old, fresh=True)
        for each, (borrowed, came_with, browser_ids) in zip(claims, known, strict=True):
            each.borrowed, each.came_with, each.browser_ids = borrowed, came_with, browser_ids
        sessions.turns.afterwards(claim, sessions.turns.settled(failed))
        raise


async def _announce_unstored(session: Session) -> bool:
    claim = session.claim
    if claim.sockets or claim.twin:  # a socket speaks for the new id: so must the browser
        session.sessions.announce(claim, session.peer, await session.ticket())
    return True


async def _insert_here(session: Session, mine: Changes, user_id: str | None) -> bool:
    sessions, claim, peer = session.sessions, session.claim, session.peer
    ticket = await session.ticket()
    now = time.time()
    record = Record(mine.apply(sessions.beginning(peer)), now, session.expiry(now), user_id, secrets.token_hex(8))
    with sessions.written_by(peer, record):
        if not await _insert_record(session, record):
            claim.stored()
            return False
        if not await _leave_word(session, record, guarded=bool(ticket)):
            return False
    session.absorb(record.data, mine)  # what it began with, too
    session.took(record, peer)
    sessions.announce(claim, peer, ticket)
    return True


async def _insert_record(session: Session, record: Record) -> bool:
    claim, turns = session.claim, session.sessions.turns
    try:
        return await session.store.insert(claim.key, record)
    except StoreUnavailable:
        if claim.came_with or record.user_id is not None:  # else the browser knows the id, and may save again
            turns.afterwards(claim, take_back(session.store, Swap(claim.key, retired(record), record)))
        raise


async def _leave_word(session: Session, record: Record, *, guarded: bool) -> bool:
    """Tell those who come with the id that the browser had before: sockets that wait in other processes,
    and, while a ticket is under way (guarded), the browser itself.

    record: what was stored just now. False: a session is stored there by now, and is the claim's.
    """
    sessions, claim, store = session.sessions, session.claim, session.store
    old = claim.came_with
    if not (old and (guarded or sessions.store.shared)):
        return True
    key, note = sessions.key_for(old), moved.note(old, claim.id, guard=moved.GRACE if guarded else 0.0)
    try:
        left = await _leave(store, key, note, old)
        if not left:
            await store.delete(claim.key)
    except StoreUnavailable:
        back = take_back(store, Swap(claim.key, retired(record), record), Swap(key, retired(note), note))
        sessions.turns.afterwards(claim, back)
        raise
    claim.came_with = ""
    if not left:
        sessions.moved(claim, old)
    return left


async def _leave(store: Store, key: str, note: Record, old_id: str) -> bool:
    """Leave a note, unless there is one. False: a session is stored there."""
    if await store.insert(key, note):
        return True
    there = await store.load(key)
    return there is not None and moved.read(there, old_id) is not None
