"""A new id for a session: at log-in, at log-out, and whenever an id may have become known.

The record is copied to the new key, then a note of where it went takes the place of the old one, by
compare-and-swap: no write to it is lost, and whatever fails before that leaves the session as it was.
"""

from __future__ import annotations

import time
from dataclasses import replace as with_changes
from typing import TYPE_CHECKING, TypeAlias, cast

from rpc_sessions.errors import SessionGone
from rpc_sessions.session import merge, moved
from rpc_sessions.session.cookie import new_id
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.turns import step_back

if TYPE_CHECKING:
    from rpc_sessions.session.session import Session


class SameUser:
    """Stands for the user that is logged in, whoever logged in meanwhile."""


User: TypeAlias = str | type[SameUser] | None


async def rotate(session: Session, user: User, *, keep: bool = True) -> None:
    """Move the session, with its unsaved changes, to a new id. SessionGone if somebody else ended or moved it."""
    session.check_writable()
    if session.record is None:
        if await _move_unstored(session, None if user is SameUser else cast("str | None", user), keep=keep):
            return
        await session.reread(session.changes())  # another call of this session stored it meanwhile
    # To the end, even if this call is cancelled: half a move would leave a logged-in copy that nobody knows.
    await session.sessions.turns.to_the_end(_move(session, user, keep=keep))


async def _move_unstored(session: Session, user_id: str | None, *, keep: bool) -> bool:
    """False if it is stored by now."""
    if not keep:
        session.raw.clear()
    mine = session.changes()
    if mine or user_id is not None:
        return await session.try_insert(mine, user_id, anew=True)
    await session.sessions.turns.settled(session.claim)
    if not session.claim.may_insert:
        return False
    session.sessions.moved(session.claim, new_id(), fresh=True)
    if session.claim.sockets or session.claim.twin:  # a socket speaks for the new id: so must the browser
        session.sessions.announce(session.claim, session.peer, await session.ticket())
    return True


async def _move(session: Session, user: User, *, keep: bool) -> None:
    mine = session.changes() if keep else merge.NONE
    id = new_id()
    key = session.sessions.key_for(id)
    copy: Record | None = None
    conflicts = 0
    while True:
        base = session.record
        assert base is not None
        ticket = await session.ticket(id)  # before the move: without it the browser would not learn of it
        user_id = base.user_id if user is SameUser else cast("str | None", user)
        record = session.next_record(base, mine.apply(base.data), user_id) if keep else _beginning(session, user_id)
        await (session.store.replace(key, record, copy) if copy else session.store.insert(key, record))
        if await _switch(session, id, record, base, ticket, keep=keep):
            return
        copy, conflicts = record, conflicts + 1
        await step_back(conflicts)
        try:
            await session.reread(mine)
        except SessionGone:
            await session.store.delete(key)
            raise


async def _switch(session: Session, id: str, record: Record, base: Record, ticket: str, *, keep: bool) -> bool:
    """Leave a note in place of the old record, and be the new one from then on; False if ``base`` is not stored."""
    sessions = session.sessions
    async with sessions.turns.turn(session.claim):
        before = moved.readable(base, record.user_id) if ticket and keep else None
        left = moved.note(session.claim.id, id, guarded=bool(ticket), before=before)
        if not await session.store.replace(session.claim.key, left, base):
            return False
        sessions.moved(session.claim, id)
        if not keep:
            session.reset(record.data)
        session.took(record, session.peer)
        sessions.announce(session.claim, session.peer, ticket)
    return True


def _beginning(session: Session, user_id: str | None) -> Record:
    now = time.time()
    return Record(merge.EMPTY, now, session.sessions.lifetimes.expiry(now), user_id, session.sessions.token())


def retired(record: Record) -> Record:
    """A record that nobody can load or write over, because it has expired."""
    return with_changes(record, data=merge.EMPTY, expires=0.0, user_id=None, token=record.token + "-")
