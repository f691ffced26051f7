"""Measure every target, and print what it came to: python -m benchmarks.run --help"""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence

from . import beside, echo, idle, latency, route
from .claim import claims_table
from .process import LOAD_CORE, pin
from .report import CHART, described, machine, write
from .section import Plan, Section, progress
from .servers import HTTP, WEBSOCKET, Peer, missing

SECTIONS: list[tuple[list[str], Callable[[Plan], Section]]] = [
    (echo.NAMES, echo.run),
    (latency.NAMES, latency.run),
    (route.NAMES, route.run),
    (idle.NAMES, idle.run),
    (beside.NAMES, beside.run),
]
TARGETS = [name for names, _ in SECTIONS for name in names]
PEERS = [*dict.fromkeys([*WEBSOCKET, *HTTP])]


def options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    for name, known in (("--only", TARGETS), ("--peers", PEERS)):
        parser.add_argument(name, nargs="+", choices=known, default=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--rounds", type=int, default=5, help="the median of them is shown")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one measurement")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections")
    parser.add_argument("--quick", action="store_true", help="see that it works: its figures mean nothing")
    parser.add_argument("--write", action="store_true", help="put the results into README.md, and draw the chart")
    chosen = parser.parse_args(argv)
    if chosen.quick:
        chosen.rounds, chosen.seconds, chosen.idle = 1, 0.2, 200
    if chosen.write and (chosen.quick or chosen.only != TARGETS or chosen.peers != PEERS):
        parser.error("--write is for a whole run")
    return chosen


def main(argv: Sequence[str]) -> None:
    chosen = options(argv)
    websocket, http = available(WEBSOCKET, chosen.peers), available(HTTP, chosen.peers)
    plan = Plan(frozenset(chosen.only), chosen.rounds, chosen.seconds, chosen.idle, websocket, http)
    pin(LOAD_CORE)
    head = heading(plan, argv)
    print(f"{head}\n")
    sections = []
    for names, run in SECTIONS:
        if plan.targets.intersection(names):
            sections.append(run(plan))
            print(f"{as_text(sections[-1])}\n", flush=True)
    claims = claims_table([claim for section in sections for claim in section.claims])
    print(claims)
    if chosen.quick:
        print("\nIt works. These figures mean nothing: each is of a fifth of a second.")
    if chosen.write:
        picture = f"![Calls per second over WebSocket]({CHART.name})"
        write("\n\n".join([claims, head, picture, *map(as_text, sections)]), "results")
        CHART.write_text("".join(section.chart for section in sections))


def available(peers: dict[str, Peer], names: Iterable[str]) -> dict[str, Peer]:
    """Those that are named and can be started; says what is missing for the others."""
    found = {}
    for name, peer in peers.items():
        if name in names:
            if lacks := missing(peer):
                progress(f"skipping {name}: {', '.join(lacks)} is missing. make bench installs all")
            else:
                found[name] = peer
    return found


def heading(plan: Plan, argv: Sequence[str]) -> str:
    command = shlex.join(["python", "-m", "benchmarks.run", *(word for word in argv if word != "--write")])
    rounds = f"`{command}`: {plan.rounds} rounds of {plan.seconds:g} s each"
    return f"{machine()}  \n{described([*plan.websocket.values(), *plan.http.values()])}\n\n{rounds}"


def as_text(section: Section) -> str:
    return f"### {section.title}\n\n{section.table}"


if __name__ == "__main__":
    main(sys.argv[1:])
