"""From the rounds to a table: medians, spread over the rounds, ratios to raw Tornado within a round."""

from collections.abc import Callable
from statistics import median

from .load import Result

BASE = "tornado"
HEAD = ["server", "depth", "calls/s", "min-max", "vs tornado", "p50 ms", "p99 ms"]
HEAD += ["server CPU", "load CPU", "calls/server CPU s", "KiB/connection"]

Rounds = dict[tuple[str, int], list[Result]]  # by peer and depth, one result a round


def table(rounds: Rounds, memory: dict[str, float]) -> str:
    keys = sorted(rounds, key=lambda key: key[1])  # by depth, the peers as they were named
    return table_of([HEAD, *(row(rounds, peer, depth, memory.get(peer)) for peer, depth in keys)])


def table_of(rows: list[list[str]]) -> str:
    """A table of Markdown; the first row is its head."""
    head, *body = rows
    lines = aligned([head, ["---"] + ["---:"] * (len(head) - 1), *body])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def row(rounds: Rounds, peer: str, depth: int, memory: float | None) -> list[str]:
    results = rounds[peer, depth]
    rates = [result.rate for result in results]

    def middle(read: Callable[[Result], float]) -> float:
        return median(map(read, results))

    return [
        peer,
        str(depth),
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}-{max(rates):,.0f}",
        ratio(results, rounds.get((BASE, depth), [])),
        f"{middle(lambda r: r.p50) * 1e3:.2f}",
        f"{middle(lambda r: r.p99) * 1e3:.2f}",
        f"{middle(lambda r: r.server_busy):.0%}",
        f"{middle(lambda r: r.load_busy):.0%}",
        f"{middle(lambda r: r.rate / r.server_busy):,.0f}",
        "" if memory is None else f"{memory / 1024:.1f}",
    ]


def ratio(results: list[Result], base: list[Result]) -> str:
    """The median of each round's own ratio: drift of the machine hits both sides of it alike."""
    ratios = [ours.rate / theirs.rate for ours, theirs in zip(results, base, strict=False)]
    return f"{median(ratios):.2f}" if ratios else ""


def aligned(rows: list[list[str]]) -> list[list[str]]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [[pad(cell, width, i) for i, (cell, width) in enumerate(zip(row, widths, strict=True))] for row in rows]


def pad(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)
