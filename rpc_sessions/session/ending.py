"""The end of a session: nobody loads it or writes to it any more, wherever it has moved meanwhile."""

from __future__ import annotations

from dataclasses import replace as with_changes
from typing import TYPE_CHECKING

from rpc_sessions.request import Peer
from rpc_sessions.session import merge
from rpc_sessions.session.claim import Claim
from rpc_sessions.session.stores.base import Record

if TYPE_CHECKING:
    from rpc_sessions.session.tracking import Tracking

_MOST_TRIES = 20  # against those who write all the time, the session is deleted in the end


async def end(sessions: Tracking, claim: Claim, by: Peer | None) -> bool:
    """End a session for good. False if there was none. by: who asked for it, who goes on without one."""
    return await sessions.turns.to_the_end(_end(sessions, claim, by))


async def _end(sessions: Tracking, claim: Claim, by: Peer | None) -> bool:
    store = sessions.store.current
    tries = 0
    while True:
        record = await sessions.fetch(claim)
        tries += 1
        async with sessions.turns.turn(claim):
            # By a swap: it may be another by now, and the note of a session that moves just then must stay.
            if tries < _MOST_TRIES and record and not await store.replace(claim.key, retired(record), record):
                continue
            await store.delete(claim.key)
            sessions.ended(claim, by)
            return record is not None


def retired(record: Record) -> Record:
    """A record that nobody can load or write over, because it has expired."""
    return with_changes(record, data=merge.EMPTY, expires=0.0, user_id=None, token=record.token + "-")
