"""Browsers that wait for a cookie: a socket has ended their session, and was sent a ticket to another.

Until that is exchanged, a handshake with the old id must not bring them a third one. It is known in this process alone.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from rpc_sessions.session import moved
from rpc_sessions.session.claim import Claim

LEFT = 1.0  # seconds; an exchange by fetch outlives its page, and not for long


@dataclass(slots=True)
class _Ticket:
    """claim: whose sockets bring it. until: when it counts no more (time.monotonic()). arrived: it was exchanged."""

    claim: Claim
    until: float
    arrived: bool = False


class Expected:
    """The tickets under way, by the keys of the ids that may present them."""

    def __init__(self) -> None:
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()  # the oldest first

    def begin(self, keys: Iterable[str], claim: Claim) -> None:
        """A ticket for the claim is about to be sent: it counts for ``moved.GRACE`` seconds."""
        now = time.monotonic()
        while self._tickets and next(iter(self._tickets.values())).until <= now:
            self._tickets.popitem(last=False)
        ticket = _Ticket(claim, now + moved.GRACE)
        for key in keys:
            self._tickets[key] = ticket
            self._tickets.move_to_end(key)

    def withdraw(self, keys: Iterable[str], claim: Claim) -> None:
        """The ticket for the claim could not be sent."""
        for key in keys:
            if (ticket := self._tickets.get(key)) and ticket.claim is claim:
                del self._tickets[key]

    def arrived(self, key: str) -> None:
        """It was exchanged. A handshake that was on its way must bring no other cookie, and need not wait."""
        if ticket := self._tickets.get(key):
            ticket.arrived = True

    def holds(self, key: str) -> bool:
        """Whether a handshake with this id must bring no cookie."""
        ticket, now = self._tickets.get(key), time.monotonic()
        if ticket is None:
            return False
        if not ticket.claim.sockets:  # nobody is there any more to bring it
            ticket.until = min(ticket.until, now + LEFT)
        if ticket.until <= now:
            del self._tickets[key]
            return False
        return True

    def awaits(self, key: str) -> bool:
        """Whether the cookie may still come."""
        return self.holds(key) and not self._tickets[key].arrived
