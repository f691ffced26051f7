"""A new id for a session: at log-in, at log-out, and whenever an id may have become known.

The record is copied to the new key, then the old one is retired by compare-and-swap: no write to it
is lost, and whatever fails before that leaves the session as it was.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace as with_changes
from typing import TYPE_CHECKING, TypeAlias, cast

from rpc_sessions.errors import SessionGone, StoreUnavailable
from rpc_sessions.session import merge
from rpc_sessions.session.cookie import new_id
from rpc_sessions.session.stores.base import Record

if TYPE_CHECKING:
    from rpc_sessions.session.session import Session


class SameUser:
    """Stands for the user that is logged in, whoever logged in meanwhile."""


User: TypeAlias = str | type[SameUser] | None


async def rotate(session: Session, user: User, *, keep: bool = True) -> None:
    """Move the session, with its unsaved changes, to a new id. SessionGone if somebody else ended or moved it."""
    session.check_writable()
    if session.record is None:
        await session.sessions.settled(session.claim)
        if session.claim.may_insert:
            await _move_unstored(session, None if user is SameUser else cast("str | None", user), keep=keep)
            return
        await session.reread(session.changes())  # another call of this session stored it meanwhile
    # To the end, even if this call is cancelled: half a move would leave a logged-in copy that nobody knows.
    await session.sessions.to_the_end(_move(session, user, keep=keep))


async def _move_unstored(session: Session, user_id: str | None, *, keep: bool) -> None:
    if not keep:
        session.raw.clear()
    mine = session.changes()
    session.sessions.moved(session.claim, new_id(), fresh=True)
    if mine or user_id is not None:
        await session.insert(mine, user_id)
    elif session.claim.sockets or session.claim.twin:  # a socket speaks for the new id: so must the browser
        session.sessions.announce(session.claim, session.peer, await session.ticket())


async def _move(session: Session, user: User, *, keep: bool) -> None:
    mine = session.changes() if keep else merge.NONE
    id = new_id()
    key = session.sessions.key_for(id)
    copy: Record | None = None
    while True:
        base = session.record
        assert base is not None
        ticket = await session.ticket(id)  # before the move: without it the browser would not learn of it
        user_id = base.user_id if user is SameUser else cast("str | None", user)
        record = session.next_record(base, mine.apply(base.data), user_id) if keep else _beginning(session, user_id)
        await (session.store.replace(key, record, copy) if copy else session.store.insert(key, record))
        if await _switch(session, id, record, base, ticket, keep=keep):
            return
        copy = record
        try:
            await session.reread(mine)
        except SessionGone:
            await session.store.delete(key)
            raise


async def _switch(session: Session, id: str, record: Record, base: Record, ticket: str, *, keep: bool) -> bool:
    """Retire the old record and be the new one from then on; False if ``base`` is not what is stored."""
    sessions = session.sessions
    async with sessions.turn(session.claim):
        old_key = session.claim.key
        if not await session.store.replace(old_key, _retired(base), base):
            return False
        sessions.moved(session.claim, id)
        if not keep:
            session.reset(record.data)
        session.took(record)
        sessions.announce(session.claim, session.peer, ticket)
    with suppress(StoreUnavailable):  # it has expired: a sweep will take it
        await session.store.delete(old_key)
    return True


def _beginning(session: Session, user_id: str | None) -> Record:
    now = time.time()
    return Record(merge.EMPTY, now, session.sessions.expiry(now), user_id, session.sessions.token())


def _retired(record: Record) -> Record:
    """A record that nobody can load or write over, because it has expired."""
    return with_changes(record, data=merge.EMPTY, expires=0.0, user_id=None, token=record.token + "-")
