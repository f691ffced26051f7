"""What a server needs of its system: an event loop, listening sockets, forked processes."""

from __future__ import annotations

import asyncio
import os
import signal
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
    """SIGTERM and Ctrl-C wait until what it gives is called, or until the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield release
    finally:
        release()


def fork(processes: int, ready: Callable[[], None]) -> int:
    """Fork. In each child, a descriptor that ends when the parent is told to stop, or is gone.

    The parent stays until all children have drained. One that crashes is started again.
    ready: called as soon as signals are listened to.
    """
    watched, held = os.pipe()

    def let_go(*_: object) -> None:
        nonlocal held
        ours, held = held, -1  # first: another signal may come in between
        if ours >= 0:
            os.close(ours)

    for name in _STOPS:
        signal.signal(name, let_go)
    ready()
    tornado.process.fork_processes(processes)
    let_go()
    return watched


def stop_event(parent: int | None, again: Callable[[], None]) -> asyncio.Event:
    """An event of the running loop, set by SIGTERM, by Ctrl-C, or when the parent lets go of its descriptor.

    again: called for each further Ctrl-C.
    """
    told, loop = asyncio.Event(), asyncio.get_running_loop()

    def interrupted() -> None:
        told.set()
        loop.add_signal_handler(signal.SIGINT, again)

    def let_go(parent: int) -> None:
        told.set()
        loop.remove_reader(parent)

    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.add_signal_handler(signal.SIGINT, interrupted)
    if parent is not None:
        loop.add_reader(parent, let_go, parent)
    return told
