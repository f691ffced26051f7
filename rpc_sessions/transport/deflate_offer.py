"""Which offer of permessage-deflate is taken, and what it is answered with (RFC 7692, sections 5 and 7.1).

https://www.rfc-editor.org/rfc/rfc7692#section-7.1
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rpc_sessions.tokens import TOKEN
from rpc_sessions.transport.deflate import WINDOW_BITS

_NAME = "permessage-deflate"
# The values that a parameter may have. None: it has none.
_VALUES: dict[str, set[str | None]] = {
    "server_no_context_takeover": {None},
    "client_no_context_takeover": {None},
    "server_max_window_bits": {str(bits) for bits in range(9, 16)},  # 8 may be asked for, but zlib has no such window
    "client_max_window_bits": {None, *map(str, range(8, 16))},
}

_LONGEST = 1024  # characters of a header; browsers send 42
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_GAP = re.compile(r"[ \t,]*")
# An extension, or one of its parameters. After a ";" another parameter follows.
_ITEM = re.compile(rf"[ \t]*({TOKEN})[ \t]*(?:=[ \t]*({TOKEN}|{_QUOTED})[ \t]*)?([;,]|\Z)")

Item = tuple[str, str | None]  # a name and its value


@dataclass(frozen=True)
class Deflate:
    """What was agreed. asked_bits: the largest window that the client wants the server to pack with, if it said so."""

    asked_bits: int | None

    @property
    def window_bits(self) -> int:
        """The window to pack with: 9 to 15, the base-2 logarithm of its bytes."""
        return self.asked_bits or WINDOW_BITS

    @property
    def answer(self) -> str:
        """The value of Sec-WebSocket-Extensions in the 101.

        Neither side keeps its window for the next message; a server may ask this of any client.
        """
        window = f"; server_max_window_bits={self.asked_bits}" if self.asked_bits else ""
        return f"{_NAME}; server_no_context_takeover; client_no_context_takeover{window}"


def choose(header: str) -> Deflate | None:
    """The first offer in a Sec-WebSocket-Extensions header that can be taken, or None: no compression.

    A header that breaks the grammar offers nothing, nor does one that is too long to be meant.
    """
    if len(header) > _LONGEST:
        return None
    try:
        offers = list(_offers(header))
    except ValueError:
        return None
    for extension, *parameters in offers:
        if extension == (_NAME, None) and _fit(parameters):
            bits = dict(parameters).get("server_max_window_bits")
            return Deflate(int(bits) if bits else None)
    return None


def _fit(parameters: list[Item]) -> bool:
    """Whether all are known, have a value that they may have, and come once."""
    once = len({name for name, _ in parameters}) == len(parameters)
    return once and all(value in _VALUES.get(name, ()) for name, value in parameters)


def _offers(header: str) -> Iterator[list[Item]]:
    """Each extension with its parameters behind it (RFC 6455, section 9.1). ValueError if the grammar is broken."""
    offer: list[Item] = []
    at = _begin(header, 0)
    while at < len(header) or offer:
        item = _ITEM.match(header, at)
        if not item:
            raise ValueError(header)
        name, value, separator = item.groups()
        offer.append((name, _unquote(value)))
        at = item.end()
        if separator != ";":
            yield offer
            offer, at = [], _begin(header, at)


def _begin(header: str, at: int) -> int:
    """Where the next offer begins: a list may have empty places."""
    gap = _GAP.match(header, at)
    return gap.end() if gap else at


def _unquote(value: str | None) -> str | None:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value and value[0] == '"' else value
