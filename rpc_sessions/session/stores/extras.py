"""Drivers that are installed on demand: a missing one is an error that names the pip command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rpc_sessions.errors import ConfigError


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Around the import of a driver. ConfigError if it is not installed; ``name``: the extra that brings it."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or name).split(".")[0]
        raise ConfigError(f'the package {package} is missing: pip install "rpc-sessions[{name}]"') from error
