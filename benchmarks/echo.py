"""A call and its reply over WebSocket, as many as go: this server and its peers, and what reading a session adds."""

from collections import defaultdict

from .chart import chart
from .claim import Claim
from .load import Load, Result
from .process import running
from .section import Plan, Section, progress, turns
from .servers import some
from .table import HEAD, figures, middle_of, ratios, table_of

DEPTHS = {"echo-1": 1, "echo-16": 16}  # how many calls each connection keeps in flight
READS = "session"
NAMES = [*DEPTHS, READS]
OURS, SESSION = "rpc_sessions", "rpc_sessions:session"
CEILING = "picows-echo"  # how much the load can do
CONNECTIONS = 32

TARGETS = {
    1: {"rpc-websockets": 1.2, "ws": 1.0, "socket.io": 1.3, "socketio-uvicorn": 8.0, "tornado": 5.0},
    16: {"rpc-websockets": 1.2, "ws": 1.0, "socket.io": 1.3, "tornado": 3.5},
}
SESSION_TARGETS = {OURS: 0.8, "socket.io": 1.0}

Rounds = dict[tuple[str, int], list[Result]]  # by peer and depth, one result a round


def run(plan: Plan) -> Section:
    rounds = measure(plan, wanted(plan))
    claims = [*echo_claims(plan, rounds), *(session_claims(rounds) if READS in plan.targets else ())]
    return Section(f"Calls over WebSocket, {CONNECTIONS} connections", table(rounds), claims, drawn(rounds))


def wanted(plan: Plan) -> dict[str, list[int]]:
    """The depths to measure each peer at."""
    depths: dict[str, set[int]] = defaultdict(set)
    for target in plan.targets & DEPTHS.keys():
        for name in plan.websocket.keys() - {SESSION}:
            depths[name].add(DEPTHS[target])
    if READS in plan.targets:
        for name in some(plan.websocket, [SESSION, *SESSION_TARGETS]):
            depths[name] |= set(DEPTHS.values())
    return {name: sorted(depths[name]) for name in plan.websocket if name in depths}


def measure(plan: Plan, depths: dict[str, list[int]]) -> Rounds:
    rounds: Rounds = {(name, depth): [] for name in depths for depth in depths[name]}
    for text, name, peer in turns(some(plan.websocket, depths), plan.rounds):
        with running(peer) as (pid, job):
            for depth in depths[name]:
                result = Load(job, depth, CONNECTIONS).measure(pid, plan.seconds)
                rounds[name, depth].append(result)
                progress(f"{text}, depth {depth}: {result.rate:,.0f} calls/s")
    return rounds


def echo_claims(plan: Plan, rounds: Rounds) -> list[Claim]:
    return [
        claim(rounds, f"echo, depth {depth}, beside", OURS, name, depth, bound)
        for target, depth in DEPTHS.items()
        if target in plan.targets
        for name, bound in TARGETS[depth].items()
    ]


def session_claims(rounds: Rounds) -> list[Claim]:
    return [
        claim(rounds, f"reading the session, depth {depth}, beside the echo of", SESSION, name, depth, bound)
        for depth in DEPTHS.values()
        for name, bound in SESSION_TARGETS.items()
    ]


def claim(rounds: Rounds, what: str, ours: str, theirs: str, depth: int, bound: float) -> Claim:
    """That one of our rates is so many times one of theirs."""
    values = ratios(rounds.get((ours, depth), []), rounds.get((theirs, depth), []))
    return Claim(f"{what} {theirs}", bound, values)


def table(rounds: Rounds) -> str:
    keys = sorted(rounds, key=lambda key: key[1])  # by depth, the peers as they were named
    body = [[name, str(depth), *figures(rounds[name, depth]), share(rounds, name, depth)] for name, depth in keys]
    return table_of([["server", "depth", *HEAD, f"{OURS} / it"], *body])


def share(rounds: Rounds, name: str, depth: int) -> str:
    return middle_of(ratios(rounds.get((OURS, depth), []), rounds[name, depth]))


def drawn(rounds: Rounds) -> str:
    """The chart, of all but what answers no calls."""
    rates = {key: [result.rate for result in results] for key, results in rounds.items() if key[0] != CEILING}
    return chart(rates, OURS) if rates else ""
