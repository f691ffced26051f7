"""A new id for a session: at log-in, at log-out, and whenever an id may have become known.

The record is copied to the new key, then a note of where it went takes the place of the old one, by
compare-and-swap: no write to it is lost, and whatever fails before that leaves the session as it was.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeAlias, cast

from rpc_sessions.errors import SessionGone, StoreUnavailable
from rpc_sessions.session import merge, moved, saving
from rpc_sessions.session.cookie import new_id
from rpc_sessions.session.ending import retired
from rpc_sessions.session.merge import Changes
from rpc_sessions.session.stores.base import Record, Store
from rpc_sessions.session.tries import Tries

if TYPE_CHECKING:
    from rpc_sessions.session.session import Session


class SameUser:
    """Stands for the user that is logged in, whoever logged in meanwhile."""


User: TypeAlias = str | type[SameUser] | None


async def rotate(session: Session, user: User, *, keep: bool = True) -> None:
    """Move the session, with its unsaved changes, to a new id. SessionGone if somebody else ended or moved it."""
    session.check_writable()
    if session.record is None:
        if not keep:
            session.raw.clear()
        user_id = None if user is SameUser else cast("str | None", user)
        if await saving.insert(session, session.changes(), user_id, anew=True):
            return
        await saving.reread(session, session.changes())  # another call of this session stored it meanwhile
    # To the end, even if this call is cancelled: half a move would leave a logged-in copy that nobody knows.
    await session.sessions.turns.to_the_end(_move(session, user, keep=keep))


async def _move(session: Session, user: User, *, keep: bool) -> None:
    mine = session.changes() if keep else merge.NONE
    id = new_id()
    key = session.sessions.key_for(id)
    copy: Record | None = None
    async for again in Tries():
        if again:
            await _reread(session, mine, key)
        base = session.record
        assert base is not None
        ticket = await session.ticket(id)  # before the move: without it the browser would not learn of it
        user_id = base.user_id if user is SameUser else cast("str | None", user)
        record = (
            saving.next_record(session, base, mine.apply(base.data), user_id) if keep else _beginning(session, user_id)
        )
        await (session.store.replace(key, record, copy) if copy else session.store.insert(key, record))
        if await _switch(session, id, record, base, ticket, keep=keep):
            return
        copy = record


async def _reread(session: Session, mine: Changes, copy_key: str) -> None:
    try:
        await saving.reread(session, mine)
    except SessionGone:
        await session.store.delete(copy_key)
        raise


async def _switch(session: Session, id: str, record: Record, base: Record, ticket: str, *, keep: bool) -> bool:
    """Leave a note in place of the old record, and be the new one from then on; False if ``base`` is not stored."""
    sessions = session.sessions
    async with sessions.turns.turn(session.claim):
        before = moved.readable(base, record.user_id) if ticket and keep else None
        guard = moved.GRACE if ticket else moved.HTTP_GRACE
        left = moved.note(session.claim.id, id, guard=guard, before=before)
        try:
            if not await session.store.replace(session.claim.key, left, base):
                return False
        except StoreUnavailable:
            back = _take_back(session.store, session.claim.key, left, base, sessions.key_for(id), record)
            sessions.turns.afterwards(session.claim, back)
            raise
        sessions.moved(session.claim, id)
        if not keep:
            session.reset(record.data)
        session.took(record, session.peer)
        sessions.announce(session.claim, session.peer, ticket)
    return True


async def _take_back(store: Store, key: str, left: Record, base: Record, copy_key: str, copy: Record) -> None:
    """Nobody knows if the note was written, and the browser was told that the move failed: so it has.

    Tried until the store answers, as long as the note is kept. Once somebody has followed it, it stays.
    """
    for pause in (0.1, 0.2, 0.5, *[1.0] * int(moved.KEPT)):
        try:
            # The copy first: who ends or changes the session meanwhile must not find that undone.
            if await store.replace(copy_key, retired(copy), copy):
                await store.replace(key, base, left)
            return
        except StoreUnavailable:
            await asyncio.sleep(pause)


def _beginning(session: Session, user_id: str | None) -> Record:
    now = time.time()
    sessions = session.sessions
    return Record(sessions.beginning(session.peer), now, sessions.lifetimes.expiry(now), user_id, saving.new_token())
