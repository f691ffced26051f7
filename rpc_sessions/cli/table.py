"""A table that fits the terminal: columns are cut, then left out, until a row is a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rpc_sessions.cli.text import cut, pad, safe, width

_GAP = 2


@dataclass(frozen=True, slots=True)
class Column:
    """rank: of the columns that do not fit, the highest goes first. least: it may be cut to that; None: it may not."""

    title: str
    rank: int
    least: int | None = None


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> Iterator[str]:
    """The lines of a table, its titles first, each at most ``room`` columns wide. Cells may hold any text."""
    cells = [[column.title for column in columns], *([safe(cell) for cell in row] for row in rows)]
    widths = fit(columns, [max(width(row[at]) for row in cells) for at in range(len(columns))], room)
    gap = " " * _GAP
    for row in cells:
        line = gap.join(pad(cut(row[at], wide), wide) for at, wide in widths.items())
        yield cut(line.rstrip(), room)


def fit(columns: Sequence[Column], natural: Sequence[int], room: int) -> dict[int, int]:
    """How wide each column is, by its place; those that are left out are not in it."""
    shown = dict(enumerate(natural))
    while len(shown) > 1 and _excess(shown, room) > sum(_spare(columns[at], wide) for at, wide in shown.items()):
        del shown[max(shown, key=lambda at: columns[at].rank)]
    for at in sorted(shown, key=lambda at: -columns[at].rank):
        shown[at] -= max(0, min(_spare(columns[at], shown[at]), _excess(shown, room)))
    return shown


def _excess(shown: dict[int, int], room: int) -> int:
    return sum(shown.values()) + _GAP * (len(shown) - 1) - room


def _spare(column: Column, wide: int) -> int:
    return 0 if column.least is None else max(0, wide - column.least)
