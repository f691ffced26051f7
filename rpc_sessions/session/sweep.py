"""The sweep of expired sessions, which waits while the wall clock cannot be believed.

A clock that jumps ahead by more than ``max_age`` makes every session look expired. Such a jump shows:
the wall clock and the monotonic clock did not move by the same span. Nothing is swept then until the
clock has been steady for a while, in which somebody (most often NTP) can set it right. A machine that
wakes up looks the same, and sweeps a little later.
"""

from __future__ import annotations

import time

from rpc_sessions.errors import StoreUnavailable
from rpc_sessions.request import log
from rpc_sessions.session.stores.choice import StoreChoice

JUMP = 60.0  # seconds by which the two clocks may differ between two sweeps
STEADY = 300.0  # seconds without a jump, before anything is swept: since the start, too


class Sweep:
    """Call it every so often."""

    def __init__(self, store: StoreChoice) -> None:
        self._store = store
        self._steady_since = time.monotonic()
        self._ahead = time.time() - self._steady_since

    async def __call__(self) -> None:
        """Remove the expired sessions, unless the clock has jumped lately. A store that is away is logged."""
        if not self._steady():
            return
        try:
            await self._store.current.gc(time.time())
        except StoreUnavailable as error:
            log.warning("expired sessions were not swept: %s: %s", error, error.cause)

    def _steady(self) -> bool:
        """Whether the wall clock has kept pace with the monotonic one for long enough."""
        now = time.monotonic()
        before, self._ahead = self._ahead, time.time() - now
        jump = self._ahead - before
        if abs(jump) > JUMP:
            self._steady_since = now
            log.warning("the clock jumped by %+.0f s: expired sessions stay until it was steady for %g s", jump, STEADY)
        return now - self._steady_since >= STEADY
