"""The running loop: remembered, and kept to."""

from __future__ import annotations

import asyncio


class RunningLoop:
    """``loop()`` is the running one: the one of the last time if that still runs.

    Until Python 3.12, ``asyncio.get_running_loop()`` asks the system for the process id, each time. Not to ask on
    the path of a call makes the dispatcher 6 % faster.
    """

    __slots__ = ("_loop",)

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def __call__(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is None or not loop.is_running():  # jobs may call asyncio.run(ss.rpc(...)) again and again
            self._loop = loop = asyncio.get_running_loop()
        return loop


class OneLoop:
    """What belongs to one loop at a time: to another when that has ended, never to two threads' loops at once."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def enter(self, example: str) -> None:
        """RuntimeError, with what to write instead, if it belongs to another loop that still runs.

        example: the call that was tried.
        """
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop) and self._loop.is_running():
            instead = f"asyncio.run_coroutine_threadsafe({example}, loop)"
            raise RuntimeError(f"this Server is used by the loop of another thread: from here, {instead}")
        self._loop = loop
