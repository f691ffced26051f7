"""``ss.session.store``: which store holds the sessions."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from rpc_sessions.errors import ConfigError, StoreUnavailable
from rpc_sessions.hints import did_you_mean
from rpc_sessions.session.stores.base import Checks, Peeks, Record, Store

GROUP = "rpc_sessions.stores"  # the entry points by which stores are found, ours and others'
_METHODS = ("load", "insert", "replace", "touch", "delete", "gc", "close")
_DATABASES = ("sqlite", "sqlite3", "postgres", "postgresql", "mysql", "mariadb")  # all of them are the store "sql"


class StoreChoice:
    """Memory, until ``use`` says otherwise.

    plain_ids: its keys are the session ids themselves. shared: other processes may write to it. sweeps_itself:
    expired sessions go without ``gc``. peek: its ``load`` without waiting, if it has the records in this process.
    """

    def __init__(self) -> None:
        self.name = "memory"
        self.plain_ids = self.shared = self.sweeps_itself = False
        self.peek: Callable[[str], Record | None] | None = None
        self._store: Store | None = None

    def use(self, store: str | Store, **options: object) -> None:
        """A store by name, with its options, or any object with the Store protocol.

        Names come from the entry-point group ``rpc_sessions.stores``. ConfigError for an unknown
        name, options the store does not take, or an object without the protocol's methods.
        """
        if isinstance(store, str):
            self._take(_named_store(store, options), store)
            return
        if options:
            raise ConfigError("options go with the name of a store, not with a store")
        if missing := [name for name in _METHODS if not callable(getattr(store, name, None))]:
            raise ConfigError(f"{store!r} is no store: it lacks {', '.join(missing)}")
        if isinstance(store, type):
            raise ConfigError(f"use({store.__name__}(...)): a store, not its class")
        self._take(store, type(store).__name__)

    def _take(self, store: Store, name: str) -> None:
        self._store, self.name = store, name
        self.plain_ids = bool(getattr(store, "plain_ids", False))
        self.shared = bool(getattr(store, "shared", True))
        self.sweeps_itself = bool(getattr(store, "sweeps_itself", False))
        self.peek = store.peek if isinstance(store, Peeks) else None

    @property
    def current(self) -> Store:
        """The store in use."""
        if self._store is None:
            self.use("memory")
        assert self._store is not None
        return self._store

    def check_config(self) -> None:
        """ConfigError, which says why, if the store can tell already that it cannot be used."""
        try:
            if isinstance(self.current, Checks):
                self.current.check()
        except StoreUnavailable as error:
            raise ConfigError(f"the session store cannot be used: {error.cause}") from error

    async def check(self) -> None:
        """StoreUnavailable if the store cannot be read now or, as far as it can tell, be written."""
        await self.current.load("0" * 64)
        if isinstance(self.current, Checks):
            await asyncio.to_thread(self.current.check)


def _named_store(name: str, options: dict[str, object]) -> Store:
    make = _found(name).load()
    _check_options(name, inspect.signature(make), options)
    try:
        return cast(Store, make(**options))
    except (AttributeError, TypeError, ValueError) as error:  # of a driver, given what is no text
        raise ConfigError(f"the store {name!r}: {error}") from error


def _found(name: str) -> EntryPoint:
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        meant = did_you_mean("sql" if name.lower() in _DATABASES else name, found)
        raise ConfigError(f"unknown store {name!r}{meant}; there are {', '.join(sorted(found))}")
    return found[name]


def _check_options(name: str, signature: inspect.Signature, options: dict[str, object]) -> None:
    known = signature.parameters
    if unknown := options.keys() - known.keys():
        option = min(unknown)
        meant = did_you_mean(option, known)
        raise ConfigError(f"the store {name!r} has no option {option!r}{meant}; there are {', '.join(known)}")
    needed = [each.name for each in known.values() if each.default is each.empty]
    if missing := [each for each in needed if each not in options]:
        example = ", ".join(f'{each}="..."' for each in needed)
        raise ConfigError(f'the store {name!r} needs {missing[0]}=, as in ss.session.store.use("{name}", {example})')
