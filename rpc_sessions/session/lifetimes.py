"""How long sessions live: idle, absolute, each its own; and when pushing that out is worth a write."""

from __future__ import annotations

import time
from typing import cast

from rpc_sessions.session.claim import Claim
from rpc_sessions.session.merge import unpack
from rpc_sessions.session.options import SessionOptions
from rpc_sessions.session.reserved import MAX_AGE
from rpc_sessions.session.stores.base import Record
from rpc_sessions.types import seconds


class Lifetimes:
    """The lifetimes of the options, in seconds, as they were at the last ``start``.

    idle: how long a session lives unused, if it has no max_age of its own. absolute: how long a used one does.
    """

    def __init__(self, options: SessionOptions) -> None:
        self.start(options)

    def start(self, options: SessionOptions) -> None:
        """Take the options as they are now."""
        self.idle = options.idle
        self.absolute = float("inf") if options.absolute_max_age is None else seconds(options.absolute_max_age)
        self._touch_after = None if options.touch_after is None else seconds(options.touch_after)

    def expiry(self, created: float, idle: float = 0.0, ago: float = 0.0) -> float:
        """When a session ends that was used ``ago`` seconds ago: seconds since the epoch.

        idle: its own max_age, if it has one.
        """
        return min(time.time() - ago + (idle or self.idle), created + self.absolute)

    def next_expiry(self, base: Record, idle: float) -> float:
        """When a session ends that is written now. Never sooner than before, unless it now has a shorter max_age.

        A clock that was set back would end it, once it is set right. idle: its max_age.
        """
        expires = self.expiry(base.created, idle)
        return expires if idle < self.idle_of(base) else max(expires, base.expires)

    def idle_of(self, record: Record) -> float:
        """How long a session lives unused."""
        own = unpack(record.data).get(MAX_AGE) if MAX_AGE in record.data else None
        return cast(float, own) if own else self.idle

    def lives(self, record: Record) -> bool:
        """Whether a session is there still."""
        return min(record.expires, record.created + self.absolute) > time.time()

    def end_of(self, claim: Claim) -> float:
        """When the session of a live claim ends, as far as this process knows."""
        return min(claim.expires, claim.created + self.absolute)

    def is_due(self, pushed: float, idle: float) -> bool:
        """Whether an expiry that moves by so many seconds is worth a write, for a session that lives so long unused."""
        return pushed >= self._least_push(idle)

    def _least_push(self, idle: float) -> float:
        return idle / 10 if self._touch_after is None else min(self._touch_after, idle / 2)

    def quiet_until(self, record: Record, idle: float) -> float:
        """Until when nothing is to be done about a session that is read: it lives, and no touch is due."""
        end, least = record.created + self.absolute, self._least_push(idle)
        if end - record.expires < least:  # it cannot be pushed out so far
            return min(record.expires, end)
        return record.expires - idle + least
