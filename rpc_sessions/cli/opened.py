"""The sessions of an application, opened for one command and closed after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from rpc_sessions.cli.application import find_server
from rpc_sessions.cli.text import one_line
from rpc_sessions.errors import ConfigError, StoreUnavailable
from rpc_sessions.session.sessions import Sessions
from rpc_sessions.session.stores.base import MadeOnUse, Store
from rpc_sessions.session.stores.memory import MemoryStore

T = TypeVar("T")


def with_sessions(app: str, work: Callable[[Sessions], Awaitable[T]]) -> T:
    """Do work on the sessions of an application, in a loop of its own.

    ConfigError if there is no such application, if its sessions are in its process alone, or if there never were any;
    click.ClickException, which names the store and the cause, if the store is away, or what is wrong with a session.
    """
    sessions = find_server(app).session
    sessions.start()  # lifetimes: when a session was last used follows from them
    if isinstance(sessions.store.current, MemoryStore):
        where = f"the sessions of {app} are in its server's memory, where no other program sees them"
        raise ConfigError(f'{where}: use another store, as with ss.session.store.use("file", path="sessions")')
    try:
        return asyncio.run(_closing(sessions, work, app))
    except StoreUnavailable as error:
        cause = error.cause.split("\n")[0] if error.__cause__ else error.message
        away = error.message == StoreUnavailable.MESSAGE
        what = f"the {sessions.store.name} store is unavailable" if away else error.message
        raise click.ClickException(one_line(f"{what}: {cause}")) from error


async def _check_made(store: Store, app: str) -> None:
    """ConfigError if looking for sessions would make what they lie in."""
    if isinstance(store, MadeOnUse) and (what := await store.lacks()):
        raise ConfigError(f"{app} has no sessions here: there is no {what}")


async def _closing(sessions: Sessions, work: Callable[[Sessions], Awaitable[T]], app: str) -> T:
    try:
        await _check_made(sessions.store.current, app)
        return await work(sessions)
    finally:
        await sessions.store.current.close()
