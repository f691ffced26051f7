"""A new id for a session: at log-in, at log-out, and whenever an id may have become known."""

from __future__ import annotations

import time
from dataclasses import replace as with_changes
from typing import TYPE_CHECKING

from rpc_sessions.errors import SessionGone
from rpc_sessions.session import merge
from rpc_sessions.session.cookie import new_id
from rpc_sessions.session.stores.base import Record

if TYPE_CHECKING:
    from rpc_sessions.session.session import Session


async def rotate(session: Session, user_id: str | None, *, keep: bool = True) -> None:
    """Move the session, with its unsaved changes, to a new id. SessionGone if somebody else ended or moved it."""
    session.check_writable()
    if not keep:
        session.raw.clear()
    if session.record is None and not session.claim.may_insert:
        await session.reread(session.changes())  # another socket of this session stored it meanwhile
    id = new_id()
    if session.record is None:
        session.sessions.moved(session.claim, id, fresh=True)
        if (mine := session.changes()) or user_id is not None:
            await session.insert(mine, user_id)
        elif session.claim.sockets or session.claim.twin:  # a socket speaks for the new id: so must the browser
            await session.sessions.announce(session.claim, session.peer)
        return
    record, old_key = await _move(session, session.sessions.key_for(id), user_id, keep=keep)
    session.sessions.moved(session.claim, id)
    session.took(record)
    await session.store.delete(old_key)
    await session.sessions.announce(session.claim, session.peer)


async def _move(session: Session, new_key: str, user_id: str | None, *, keep: bool) -> tuple[Record, str]:
    """Copy to the new key, then retire the old record by compare-and-swap: no write to it is lost."""
    store, mine = session.store, session.changes()
    copy: Record | None = None
    while True:
        base = session.record
        assert base is not None
        record = session.next_record(base, mine.apply(base.data) if keep else merge.EMPTY, user_id)
        if not keep:
            record = with_changes(record, created=time.time())
        await (store.replace(new_key, record, copy) if copy else store.insert(new_key, record))
        old_key = session.claim.key
        if await store.replace(old_key, _retired(base), base):
            return record, old_key
        copy = record
        try:
            await session.reread(mine)
        except SessionGone:
            await store.delete(new_key)
            raise


def _retired(record: Record) -> Record:
    """A record that nobody can load or write over, because it has expired."""
    return with_changes(record, data=merge.EMPTY, expires=0.0, user_id=None, token=record.token + "-")
