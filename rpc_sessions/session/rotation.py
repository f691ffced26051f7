"""A new id for a session: at log-in, at log-out, and whenever an id may have become known.

The record is copied to the new key, then a note of where it went takes the place of the old one, by
compare-and-swap: no write to it is lost, and whatever fails before that leaves the session as it was.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast

from rpc_sessions.errors import SessionGone, StoreUnavailable
from rpc_sessions.session import merge, moved, saving
from rpc_sessions.session.cookie import new_id
from rpc_sessions.session.first_save import insert
from rpc_sessions.session.merge import Changes
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.takeback import Swap, insist, take_back
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
        if await insert(session, session.changes(), user_id, anew=True):
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
        try:
            if again:
                await saving.reread(session, mine)
            base = session.record
            assert base is not None
            ticket = await session.ticket(id)  # before the move: without it the browser would not learn of it
            earlier, copy = copy, _copy(session, base, user, mine, keep=keep)
            await (session.store.replace(key, copy, earlier) if earlier else session.store.insert(key, copy))
        except (SessionGone, StoreUnavailable):
            if copy:
                _forget(session, id, key)
            raise
        if await _switch(session, id, copy, base, ticket, keep=keep):
            return


def _copy(session: Session, base: Record, user: User, mine: Changes, *, keep: bool) -> Record:
    """What is to be stored under the new id."""
    user_id = base.user_id if user is SameUser else cast("str | None", user)
    return saving.next_record(session, base, mine.apply(base.data), user_id) if keep else _beginning(session, user_id)


def _forget(session: Session, id: str, key: str) -> None:
    """Delete a copy, or what may have become one: nobody else knows its id yet."""
    sessions = session.sessions
    sessions.turns.afterwards(sessions.claim_of(id), insist(partial(session.store.delete, key)))


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
            copy = Swap(sessions.key_for(id), moved.dead_end(new_id()), record)
            old = Swap(session.claim.key, base, left)
            sessions.turns.afterwards(session.claim, take_back(session.store, copy, old))
            raise
        sessions.moved(session.claim, id)
        if not keep:
            session.reset(record.data)
        session.took(record, session.peer)
        sessions.announce(session.claim, session.peer, ticket)
    return True


def _beginning(session: Session, user_id: str | None) -> Record:
    now = time.time()
    sessions = session.sessions
    return Record(sessions.beginning(session.peer), now, sessions.lifetimes.expiry(now), user_id, saving.new_token())
