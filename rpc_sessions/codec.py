"""JSON, strictly (RFC 8259), in both directions.

Reading is msgspec's: it refuses what ujson lets through (NaN, ``01``, raw control characters, lone
surrogates, numbers out of range) and is faster. It writes answers, too. Sessions are written by ujson, which
refuses NaN and whatever is no JSON value.
"""

from __future__ import annotations

from math import isfinite

import msgspec
import ujson

from rpc_sessions.errors import ParseError
from rpc_sessions.types import JSON

MAX_DEPTH = 64

_decode = msgspec.json.Decoder().decode


def _plain(value: object) -> object:
    """A value of a subclass as its JSON type: msgspec asks for it (BSON's Int64 and numpy's float64 are such)."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


# ``encode`` for what holds no float, and nests nothing: msgspec writes NaN as null.
encode_finite = msgspec.json.Encoder(enc_hook=_plain).encode


def decode(text: str | bytes) -> JSON:
    """The value of a JSON text. ParseError (-32700) if it is not strict JSON or nests deeper than 64."""
    try:
        value: JSON = _decode(text)
        if may_be_deep(text) and _depth(value) > MAX_DEPTH:
            raise RecursionError
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise ParseError(f"Parse error: {_reason(error)}") from error
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "not UTF-8"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def may_be_deep(text: str | bytes) -> bool:
    """Whether a text has brackets enough to nest too deeply. They are counted in C; a value is walked in Python."""
    if len(text) <= 2 * MAX_DEPTH:
        return False
    brackets = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    return brackets > MAX_DEPTH


def _depth(value: JSON) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def encode(value: object) -> bytes:
    """The JSON text of an answer, UTF-8.

    Beside JSON's own types: dataclasses, msgspec Structs, datetime, UUID, Enum, Decimal, sets.
    TypeError or ValueError if it cannot be written: unknown types, NaN, cycles, lone surrogates.
    """
    try:
        text = encode_finite(value)
        # msgspec writes NaN as null; only a text that holds a null can hide one.
        if text.find(b"null") >= 0:  # twice as fast as `in`
            _refuse_nan(msgspec.to_builtins(value, enc_hook=_plain))
    except RecursionError:
        raise ValueError("nested too deeply, or holds itself") from None
    return text


def _refuse_nan(value: object) -> None:
    if isinstance(value, float) and not isfinite(value):
        raise ValueError("NaN and Infinity are not JSON")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            _refuse_nan(item)


def dumps(value: object) -> str:
    """The JSON text of plain JSON values. TypeError or ValueError for anything else."""
    try:
        return ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False, allow_nan=False)
    except OverflowError as error:  # ujson's word for NaN, for Infinity and for a cycle
        raise ValueError("NaN, Infinity or a value that holds itself") from error


def check_json(value: object, depth: int = 1) -> None:
    """TypeError or ValueError unless JSON can hold the value and give it back the same, at that depth of a text."""
    if value is None or type(value) in (bool, int):
        return
    if isinstance(value, str):
        value.encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate
    elif isinstance(value, float):
        _refuse_nan(value)
    elif not isinstance(value, dict | list | tuple):
        raise TypeError(f"{type(value).__name__} is not a JSON value")
    elif depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}, or holds itself")
    elif isinstance(value, dict):
        _check_object(value, depth)
    else:
        for item in value:
            check_json(item, depth + 1)


def _check_object(value: dict[object, object], depth: int) -> None:
    for key, item in value.items():
        if not isinstance(key, str):
            raise TypeError(f"the key {key!r} is not a string")
        key.encode()
        check_json(item, depth + 1)
