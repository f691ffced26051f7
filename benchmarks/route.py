"""An HTTP route that reads a stored session: this server, Express with express-session, and a bare Tornado handler."""

from .claim import Claim
from .load import Load, Result
from .process import running
from .section import Plan, Section, progress, turns
from .table import HEAD, figures, middle_of, ratios, table_of

NAMES = ["http"]
OURS = "rpc_sessions"
CONNECTIONS = 32
WARM_UP = 2.0  # seconds: Node compiles what runs often, and Express takes some 15,000 requests to be at its best
WHAT = "HTTP route that reads the session"
TARGETS = {"express": 1.2, "tornado": 0.85}


def run(plan: Plan) -> Section:
    results: dict[str, list[Result]] = {name: [] for name in plan.http}
    for text, name, peer in turns(plan.http, plan.rounds):
        with running(peer) as (pid, job):
            results[name].append(Load(job, 1, CONNECTIONS).measure(pid, plan.seconds, WARM_UP))
        progress(f"{text}: {results[name][-1].rate:,.0f} requests/s")
    shares = {name: ratios(results.get(OURS, []), theirs) for name, theirs in results.items()}
    claims = [Claim(f"{WHAT}, beside {name}", bound, shares.get(name, [])) for name, bound in TARGETS.items()]
    body = [[name, *figures(results[name]), middle_of(shares[name])] for name in results]
    table = table_of([["server", *HEAD, f"{OURS} / it"], *body])
    return Section(f"{WHAT}, {CONNECTIONS} connections", table, claims)
