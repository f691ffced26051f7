"""Aliases shared by all layers. A leaf: it imports nothing of this package at run time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rpc_sessions.request import Request, Response

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
JSONId: TypeAlias = "str | int | float | None"
Params: TypeAlias = "list[JSON] | dict[str, JSON]"

Action: TypeAlias = Callable[..., Awaitable[object]]
Actions: TypeAlias = "Iterable[Action] | Mapping[str, Action]"
Next: TypeAlias = Callable[[], Awaitable[object]]
Middleware: TypeAlias = "Callable[[Request, Response, Next], Awaitable[object]]"
MiddlewareFactory: TypeAlias = Callable[..., Middleware]

Seconds: TypeAlias = float | timedelta


def seconds(value: Seconds, name: str = "a duration") -> float:
    """A duration given as timedelta or number of seconds, as seconds. TypeError, with its name, for anything else."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a timedelta or a number of seconds, not {value!r}")
    return float(value)
