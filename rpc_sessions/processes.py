"""What a server needs of its system: an event loop, listening sockets, forked processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socket

import tornado.process
from tornado.netutil import bind_sockets

from rpc_sessions.errors import ConfigError

_STOPS = (signal.SIGTERM, signal.SIGINT)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, if it is installed; None: asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def bind(host: str, port: int) -> list[socket]:
    """Listening sockets. ConfigError for what is no host or no port; OSError if the port is taken."""
    # The resolver would take a port past 65535 for another one.
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ConfigError(f"port is a whole number from 0 to 65535, not {port!r}")
    if not isinstance(host, str):
        raise ConfigError(f'host is a name or an address, as "127.0.0.1", not {host!r}')
    return bind_sockets(port, host)


@contextmanager
def stops_held() -> Iterator[Callable[[], None]]:
    """SIGTERM and Ctrl-C wait until what it gives is called, or until the end. Then they do what they did before."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    handlers = [signal.getsignal(name) for name in _STOPS]

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    try:
        yield release
    finally:
        for name, handler in zip(_STOPS, handlers, strict=True):
            signal.signal(name, handler or signal.SIG_DFL)  # None: not set by Python
        release()


class Parent:
    """The parent of a forked process. told: whether we were told to stop before our loop listened.

    watched: a descriptor that ends when the parent is told to stop, or is gone.
    """

    def __init__(self) -> None:
        self.watched, self._held = os.pipe()
        self.told = False

    def tell(self, *_: object) -> None:
        self.told = True
        self.let_go()

    def let_go(self) -> None:
        held, self._held = self._held, -1  # first: another signal may come in between
        if held >= 0:
            os.close(held)


def fork(processes: int, sockets: list[socket], ready: Callable[[], None]) -> Parent:
    """Fork. The parent stays until all children have drained. One that crashes is started again.

    ready: called as soon as signals are listened to.
    """
    parent = Parent()

    def told(*_: object) -> None:
        parent.tell()
        for sock in sockets:  # while one process holds them, the system lets clients in, whom nobody will serve
            sock.close()

    _listen(told)
    ready()
    tornado.process.fork_processes(processes)
    _listen(parent.tell)  # until there is a loop
    if parent.told:
        sys.exit(0)
    parent.let_go()
    return parent


def _listen(told: Callable[..., None]) -> None:
    for name in _STOPS:
        signal.signal(name, told)


def stop_event(parent: Parent | None, again: Callable[[], None]) -> asyncio.Event:
    """An event of the running loop, set by SIGTERM, by Ctrl-C, or when the parent lets go of its descriptor.

    again: called for each further Ctrl-C.
    """
    told, loop = asyncio.Event(), asyncio.get_running_loop()

    def interrupted() -> None:
        told.set()
        loop.add_signal_handler(signal.SIGINT, again)

    def let_go(parent: Parent) -> None:
        told.set()
        loop.remove_reader(parent.watched)

    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    if parent is not None:
        loop.add_reader(parent.watched, let_go, parent)
        if parent.told:
            told.set()
    return told


def stop_listening() -> None:
    """From now on a signal ends the process at once: it may wait for a thread, which nothing else ends."""
    for name in _STOPS:
        asyncio.get_running_loop().remove_signal_handler(name)
        signal.signal(name, signal.SIG_DFL)
