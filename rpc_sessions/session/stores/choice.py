"""``ss.session.store``: which store holds the sessions."""

from __future__ import annotations

import inspect
from importlib.metadata import entry_points
from typing import cast

from rpc_sessions.errors import ConfigError
from rpc_sessions.session.stores.base import Store

GROUP = "rpc_sessions.stores"  # the entry points by which stores are found, ours and others'
_METHODS = ("load", "insert", "replace", "touch", "delete", "gc", "close")


class StoreChoice:
    """Memory, until ``use`` says otherwise."""

    def __init__(self) -> None:
        self.name = "memory"
        self._store: Store | None = None

    def use(self, store: str | Store, **options: object) -> None:
        """A store by name, with its options, or any object with the Store protocol.

        Names come from the entry-point group ``rpc_sessions.stores``. ConfigError for an unknown
        name, options the store does not take, or an object without the protocol's methods.
        """
        if isinstance(store, str):
            self._store = _named_store(store, options)
            self.name = store
            return
        if options:
            raise ConfigError("options go with the name of a store, not with a store")
        if missing := [name for name in _METHODS if not callable(getattr(store, name, None))]:
            raise ConfigError(f"{store!r} is no store: it lacks {', '.join(missing)}")
        if isinstance(store, type):
            raise ConfigError(f"use({store.__name__}(...)): a store, not its class")
        self._store, self.name = store, type(store).__name__

    @property
    def current(self) -> Store:
        """The store in use."""
        if self._store is None:
            self.use("memory")
        assert self._store is not None
        return self._store

    @property
    def plain_ids(self) -> bool:
        """Whether the keys of the store are the session ids themselves."""
        return bool(getattr(self.current, "plain_ids", False))

    @property
    def shared(self) -> bool:
        """Whether other processes may write to the store."""
        return bool(getattr(self.current, "shared", True))


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
