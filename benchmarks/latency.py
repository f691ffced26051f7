"""How long calls take when the server is half busy: an open loop at half of the maximum rate, 100 connections.

Each round measures the maxima, then the latencies: at half of the smaller maximum, the same for both servers, which
is what the target is about; and at half of each one's own.
"""

from contextlib import ExitStack
from statistics import median

from .claim import Claim
from .job import Job
from .load import Load
from .paced import Pace, Paced
from .process import running
from .section import Plan, Section, progress
from .servers import some
from .table import table_of

NAMES = ["latency"]
OURS, THEIRS = "rpc_sessions", "rpc-websockets"
CONNECTIONS = 100
COMMON, OWN = "half of the smaller maximum", "half of its own maximum"
HEAD = ["server", "at", "calls/s", "p50 ms", "p99 ms", "min-max", "load late, p99 ms", "server CPU"]

Rounds = dict[tuple[str, str], list[Paced]]  # by server and kind of rate, one result a round


def run(plan: Plan) -> Section:
    chosen = some(plan.websocket, [OURS, THEIRS])
    rounds: Rounds = {(name, kind): [] for kind in (COMMON, OWN) for name in chosen}
    for turn in range(plan.rounds):
        with ExitStack() as stack:
            servers = {name: stack.enter_context(running(peer)) for name, peer in chosen.items()}
            for key, result in one_round(plan, servers, turn % 2 == 1).items():
                rounds[key].append(result)
                progress(f"round {turn + 1} of {plan.rounds}, {key[0]} at {key[1]}: p99 {result.p99 * 1e3:.2f} ms")
    pairs = zip(rounds.get((OURS, COMMON), []), rounds.get((THEIRS, COMMON), []), strict=False)
    values = [ours.p99 / theirs.p99 for ours, theirs in pairs]
    claim = Claim(f"p99 at half of the maximum rate, 100 connections, beside {THEIRS}", 1.0, values, most=True)
    body = [row(name, kind, results) for (name, kind), results in rounds.items()]
    return Section("Latency at half of the maximum rate, 100 connections", table_of([HEAD, *body]), [claim])


def one_round(plan: Plan, servers: dict[str, tuple[int, Job]], backwards: bool) -> dict[tuple[str, str], Paced]:
    """Both servers run the whole time; one without calls takes next to nothing of the core they share."""
    names = [*servers][::-1] if backwards else [*servers]
    most = {}
    for name in names:
        pid, job = servers[name]
        most[name] = Load(job, 1, CONNECTIONS).measure(pid, plan.seconds).rate
    results = {}
    for kind in (COMMON, OWN):
        for name in names:
            pid, job = servers[name]
            rate = (min(most.values()) if kind == COMMON else most[name]) / 2
            results[name, kind] = Pace(job, CONNECTIONS, rate).measure(pid, plan.seconds)
    return results


def row(name: str, kind: str, results: list[Paced]) -> list[str]:
    p99s = [result.p99 * 1e3 for result in results]
    return [
        name,
        kind,
        f"{median(result.rate for result in results):,.0f}",
        f"{median(result.p50 for result in results) * 1e3:.2f}",
        f"{median(p99s):.2f}",
        f"{min(p99s):.2f}-{max(p99s):.2f}",
        f"{median(result.late for result in results) * 1e3:.2f}",
        f"{median(result.server_busy for result in results):.0%}",
    ]
