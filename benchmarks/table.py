"""Tables of Markdown, and what they say of the rounds: medians, and the spread over the rounds."""

from collections.abc import Callable, Sequence
from statistics import median

from .load import Result

HEAD = ["calls/s", "min-max", "p50 ms", "p99 ms", "server CPU", "load CPU", "CPU of a call, us"]


def figures(results: Sequence[Result]) -> list[str]:
    """The cells below HEAD, for one result a round."""
    rates = [result.rate for result in results]

    def middle(read: Callable[[Result], float]) -> float:
        return median(map(read, results))

    return [
        f"{median(rates):,.0f}",
        f"{min(rates):,.0f}-{max(rates):,.0f}",
        f"{middle(lambda r: r.p50) * 1e3:.2f}",
        f"{middle(lambda r: r.p99) * 1e3:.2f}",
        f"{middle(lambda r: r.server_busy):.0%}",
        f"{middle(lambda r: r.load_busy):.0%}",
        f"{middle(lambda r: r.cost) * 1e6:.1f}",
    ]


def ratios(ours: Sequence[Result], theirs: Sequence[Result]) -> list[float]:
    """Of the rates, round by round: drift of the machine hits both sides of a round alike. None if one is missing."""
    return [one.rate / other.rate for one, other in zip(ours, theirs, strict=False)]


def middle_of(values: Sequence[float]) -> str:
    return f"{median(values):.2f}" if values else ""


def table_of(rows: list[list[str]]) -> str:
    """A table of Markdown; the first row is its head."""
    head, *body = rows
    lines = aligned([head, ["---"] + ["---:"] * (len(head) - 1), *body])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def aligned(rows: list[list[str]]) -> list[list[str]]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [[pad(cell, width, i) for i, (cell, width) in enumerate(zip(row, widths, strict=True))] for row in rows]


def pad(cell: str, width: int, column: int) -> str:
    return cell.rjust(width) if column else cell.ljust(width)
