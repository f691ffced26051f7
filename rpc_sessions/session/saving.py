"""How a session's changes reach the store, and none is lost.

A save is a compare-and-swap on the record that was loaded. When somebody else was faster, the own
keys are laid over the fresh record and the swap is tried again. When the record is gone, it stays
gone: SessionGone.
"""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from rpc_sessions.errors import SessionGone
from rpc_sessions.session.first_save import insert
from rpc_sessions.session.merge import Changes
from rpc_sessions.session.stores.base import Record
from rpc_sessions.session.tries import Tries

if TYPE_CHECKING:
    from rpc_sessions.session.session import Session


async def save(session: Session, mine: Changes) -> None:
    """Store the changes. SessionGone, StoreUnavailable: then nothing is written."""
    if session.record is None:
        if await insert(session, mine):
            return
        await reread(session, mine)  # another socket of this session was faster
    await _commit(session, mine)


async def _commit(session: Session, mine: Changes) -> None:
    async for again in Tries():
        if again:
            await reread(session, mine)
            mine = session.changes()  # as they are by now: on one key the last one wins, here too
        if not mine or await _swap(session, mine):
            return


async def _swap(session: Session, mine: Changes) -> bool:
    """Compare-and-swap: True if the record with these changes is stored now."""
    base = session.record
    assert base is not None
    record = next_record(session, base, mine.apply(base.data), base.user_id)
    with session.sessions.written_by(session.peer, record):
        if not await session.store.replace(session.claim.key, record, base):
            return False
    session.took(record, session.peer)
    session.claim.set_cookie()
    return True


def next_record(session: Session, base: Record, data: str, user_id: str | None) -> Record:
    """The record that follows ``base``."""
    expires = session.sessions.lifetimes.next_expiry(base, session.idle)
    return Record(data, base.created, expires, user_id, new_token())


def new_token() -> str:
    """A token for a new record."""
    return secrets.token_hex(8)


async def reread(session: Session, mine: Changes) -> None:
    """Read the fresh record and take from it what is not ours. SessionGone if there is none."""
    fresh = await session.sessions.fetch(session.claim)
    if fresh is None:
        raise session.lost()
    session.absorb(fresh.data, mine)
    session.took(fresh)


async def mutate(session: Session, fn: Callable[[Session], object]) -> object:
    """Run ``fn``, async or not, on fresh data until what it changed is stored; what it returned."""
    view = session.view()  # of its own: calls side by side see no half of it
    try:
        result = await _mutate(view, fn)
    except SessionGone as error:
        session.lost(error.message)
        raise
    if view.record is not None:
        session.absorb(view.record.data, session.changes())
        session.took(view.record)
    return result


async def _mutate(session: Session, fn: Callable[[Session], object]) -> object:
    result: object = None
    async for again in Tries():
        if again:
            await _start_over(session)
        result = fn(session)
        result = await result if inspect.isawaitable(result) else result
        mine = session.changes()
        if not mine or await (_swap(session, mine) if session.record else insert(session, mine)):
            break
    return result


async def _start_over(session: Session) -> None:
    fresh = await session.sessions.fetch(session.claim)
    if fresh is None:
        raise SessionGone
    session.reset(fresh.data)
    session.took(fresh)
