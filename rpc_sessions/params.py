"""How the params of a call become the arguments of its action: a plan made once, at registration."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

import msgspec

from rpc_sessions.errors import InvalidParams
from rpc_sessions.types import JSON, Action, Params

Convert = Callable[[JSON], object]
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_PLAIN = (str, int, bool)
_UNTYPED = (Any, object, inspect.Parameter.empty)


class Plan:
    """The parameters of one action. ``plan.call(params)`` starts it, or raises InvalidParams (-32602).

    Annotated types are checked and converted by msgspec (a dataclass, Struct, datetime or Enum
    works as a type), strictly: "1" is no int, but as a key; True is no int, 1 is a float.
    """

    __slots__ = (
        "_accepted", "_action", "_exact", "_least", "_most", "_names", "_only_named", "_only_positional", "_required",
        "_rest", "_rest_named", "types",
    )  # fmt: skip

    def __init__(self, action: Action) -> None:
        """TypeError or NameError if an annotation cannot be resolved or checked."""
        self._action = action
        parameters = list(inspect.signature(action).parameters.values())
        positional = [p for p in parameters if p.kind in _POSITIONAL]
        hints = get_type_hints(action, include_extras=True)
        self.types = {p.name: _check(hints[p.name]) for p in parameters if hints.get(p.name, Any) not in _UNTYPED}
        self._names = tuple(p.name for p in positional)
        self._accepted = frozenset(p.name for p in parameters if p.kind in _NAMED)
        self._rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
        self._rest_named = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), "")
        needed = [p for p in parameters if p.default is p.empty and p.kind in (*_POSITIONAL, *_NAMED)]
        self._required = frozenset(p.name for p in needed)
        self._only_named = [p.name for p in needed if p.kind is p.KEYWORD_ONLY]
        self._only_positional = frozenset(p.name for p in positional if p.kind is p.POSITIONAL_ONLY)
        # A call by position cannot give what only a name can: then no number of params is right.
        self._least = 1 << 30 if self._only_named else len(needed)
        self._most = 1 << 30 if self._rest else len(positional)
        types = [hints.get(name) for name in self._names]
        # Where all is of a plain type, params that are exactly so need no look at each.
        self._exact = types if not self._only_named and all(type_ in _PLAIN for type_ in types) else None

    def call(self, params: Params) -> Any:
        """The action's coroutine, with its arguments bound. Any: it is whatever the action returns."""
        if type(params) is list:
            if [*map(type, params)] == self._exact:  # True is no int
                return self._action(*params)
            if not self._least <= len(params) <= self._most:
                raise InvalidParams(f"Invalid params: {self._expected()}, got {len(params)}")
            return self._action(*(self._convert_list(params) if self.types else params))
        assert isinstance(params, dict)
        return self._by_name(params)

    def _convert_list(self, params: list[JSON]) -> list[object]:
        names = (*self._names, *(self._rest for _ in params[len(self._names) :]))
        return [self._convert(self.types.get(name), name, value) for name, value in zip(names, params, strict=False)]

    def _by_name(self, params: dict[str, JSON]) -> Any:
        self._check_names(params)
        kwargs = {}
        for name, value in params.items():
            known = name if name in self._accepted else self._rest_named
            kwargs[name] = self._convert(self.types.get(known), name, value)
        return self._action(**kwargs)

    def _check_names(self, params: dict[str, JSON]) -> None:
        if wrong := self._only_positional & (params.keys() | self._required):
            raise InvalidParams(f"Invalid params: goes by position: {', '.join(sorted(wrong))}")
        if missing := self._required - params.keys():
            raise InvalidParams(f"Invalid params: missing {', '.join(sorted(missing))}")
        if (unknown := params.keys() - self._accepted) and not self._rest_named:
            raise InvalidParams(f"Invalid params: unknown {', '.join(sorted(unknown))}")

    @staticmethod
    def _convert(convert: Convert | None, name: str, value: JSON) -> object:
        if convert is None:
            return value
        try:
            return convert(value)
        except (msgspec.ValidationError, TypeError) as error:  # TypeError: a list for the set it cannot be hashed into
            raise InvalidParams(f"Invalid params: {name}: {error}") from error

    def _expected(self) -> str:
        if self._only_named:
            return f"goes by name: {', '.join(self._only_named)}"
        names = ", ".join((*self._names, *(["..."] if self._rest else [])))
        least, most = self._least, self._most
        if self._rest:
            return f"expected at least {least} ({names})"
        number = f"{least}" if least == most else f"{least} to {most}"
        return f"expected {number} ({names})" if names else f"expected {number}"


def _check(type_: Any) -> Convert:
    """A function that converts, or raises msgspec.ValidationError. Unknown types fail here, at start."""
    msgspec.json.Decoder(type_)  # raises TypeError for what msgspec cannot check

    # str_keys: the keys of JSON are strings, so "1" is a key of dict[int, ...].
    return lambda value: msgspec.convert(value, type_, str_keys=True)
