"""What Redis answers, from bytes: RESP2, and of RESP3 what a script on a session's key returns.

https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from typing import Any


class Incomplete(Exception):
    """The rest of the reply has not come yet."""


class Refused:
    """An error that Redis answered."""

    def __init__(self, text: str) -> None:
        self.text = text


def parse(data: bytes, at: int) -> tuple[Any, int]:  # Any: bytes, int, None, Refused, or a list of these
    """The reply that begins there, and where the next one does. Incomplete; ValueError if it is none."""
    line = data.find(b"\r\n", at)
    if line < 0:
        raise Incomplete
    kind, text, at = data[at], data[at + 1 : line], line + 2
    if kind == 0x24:  # $. First, and here: that is what a session is made of
        size = int(text)
        if size < 0:
            return None, at
        end = at + size
        if len(data) < end + 2:
            raise Incomplete
        return data[at:end], end + 2
    return (int(text), at) if kind == 0x3A else _parse_rarer(kind, text, data, at)  # :


def _parse_rarer(kind: int, text: bytes, data: bytes, at: int) -> tuple[Any, int]:
    match chr(kind):
        case "*" | ">":
            return _list(data, at, int(text))
        case "+":
            return text, at
        case "-":
            return Refused(text.decode(errors="replace")), at
        case "_":
            return None, at
    raise ValueError(f"no reply of Redis: {bytes([kind]) + text[:50]!r}")


def _list(data: bytes, at: int, size: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(size):
        item, at = parse(data, at)
        items.append(item)
    return items, at


def is_pushed(data: bytes, at: int) -> bool:
    """Whether what begins there answers no command: with RESP3, a server may tell of something."""
    return data[at] == 0x3E  # >
