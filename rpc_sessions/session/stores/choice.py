"""``ss.session.store``: which store holds the sessions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import cast

from rpc_sessions.errors import ConfigError
from rpc_sessions.session.stores.base import Peeks, Record, Store

GROUP = "rpc_sessions.stores"  # the entry points by which stores are found, ours and others'
_METHODS = ("load", "insert", "replace", "touch", "delete", "gc", "close")


class StoreChoice:
    """Memory, until ``use`` says otherwise.

    plain_ids: its keys are the session ids themselves. shared: other processes may write to it. peek: its
    ``load`` without waiting, if it has the records in this process.
    """

    def __init__(self) -> None:
        self.name = "memory"
        self.plain_ids = self.shared = False
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
        self.peek = store.peek if isinstance(store, Peeks) else None

    @property
    def current(self) -> Store:
        """The store in use."""
        if self._store is None:
            self.use("memory")
        assert self._store is not None
        return self._store


def _named_store(name: str, options: dict[str, object]) -> Store:
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        raise ConfigError(f"unknown store {name!r}; there are {', '.join(sorted(found))}")
    store = found[name].load()
    known = inspect.signature(store).parameters
    if unknown := options.keys() - known.keys():
        raise ConfigError(f"the store {name!r} has no option {min(unknown)!r}; there are {', '.join(known)}")
    try:
        return cast(Store, store(**options))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"the store {name!r}: {error}") from error
