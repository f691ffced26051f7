"""The rates as horizontal bars, in an SVG that reads on white and on black."""

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median

LABEL, BAR, VALUE = 190, 420, 90  # widths
ROW, GAP, TOP = 24, 44, 8  # heights: of a bar, above each group, above all
INK, OTHER, OURS = "#767b84", "#8b95a5", "#e8590c"  # each has a contrast of 3 and more to white and to black
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"

Rates = Mapping[tuple[str, int], Sequence[float]]  # by server and depth, one value a round


def chart(rates: Rates, ours: str) -> str:
    """ours: bars whose name begins with it stand out. One group of bars for each depth, the fastest first."""
    longest = max(median(values) for values in rates.values())
    parts: list[str] = []
    y = TOP
    for depth in sorted({depth for _, depth in rates}):
        group = {name: median(values) for (name, at), values in rates.items() if at == depth}
        parts.append(text(0, y + 26, f"calls/s, {calls(depth)}", INK, "bold"))
        y += GAP
        for name in sorted(group, key=lambda name: -group[name]):
            parts.append(bar(y, name, group[name], group[name] / longest, name.startswith(ours)))
            y += ROW
    return svg(LABEL + BAR + VALUE, y + TOP, "".join(parts))


def calls(depth: int) -> str:
    return f"{'one call' if depth == 1 else f'{depth} calls'} in flight on each of 32 connections"


def bar(y: int, name: str, rate: float, share: float, mine: bool) -> str:
    color, ink, weight = (OURS, OURS, "bold") if mine else (OTHER, INK, "normal")
    width = max(share * BAR, 1)
    return (
        text(LABEL - 10, y + 16, name, ink, weight, "end")
        + f'<rect x="{LABEL}" y="{y + 3}" width="{width:.0f}" height="{ROW - 6}" rx="2" fill="{color}"/>'
        + text(LABEL + width + 8, y + 16, f"{rate:,.0f}", ink, weight)
    )


def text(x: float, y: int, words: str, color: str, weight: str = "normal", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.0f}" y="{y}" fill="{color}" font-weight="{weight}" text-anchor="{anchor}">{escape(words)}</text>'
    )


def svg(width: int, height: int, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        f' font-family="{FONT}" font-size="14">{content}</svg>\n'
    )
