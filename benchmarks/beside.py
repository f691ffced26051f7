"""What a call costs with many idle connections beside it, against what it costs with none."""

from .claim import Claim
from .crowd import allowed, crowd
from .load import Load, Result
from .memory import settled
from .process import running
from .section import Plan, Section, progress, turns
from .servers import some
from .table import HEAD, figures, table_of

NAMES = ["beside"]
OURS = "rpc_sessions"
MOST = 1.2
CONNECTIONS = 32


def run(plan: Plan) -> Section:
    """In each round, the same server with and without them."""
    idle = allowed(plan.idle)
    alone: list[Result] = []
    beside: list[Result] = []
    for text, _, peer in turns(some(plan.websocket, [OURS]), plan.rounds):
        with running(peer) as (pid, job):
            load = Load(job, 1, CONNECTIONS)
            alone.append(load.measure(pid, plan.seconds))
            with crowd(job, idle):
                settled(pid)  # what opening them has left to do is done
                beside.append(load.measure(pid, plan.seconds))
        progress(f"{text}: {beside[-1].cost / alone[-1].cost:.2f} x the CPU with {idle:,} idle connections")
    values = [crowded.cost / empty.cost for empty, crowded in zip(alone, beside, strict=True)]
    claim = Claim(f"CPU of a call with {idle:,} idle connections beside", MOST, values, most=True)
    body = [[label, *figures(results)] for label, results in (("0", alone), (f"{idle:,}", beside)) if results]
    return Section("Calls beside idle connections, depth 1", table_of([["idle connections", *HEAD], *body]), [claim])
