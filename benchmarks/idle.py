"""The memory that an idle connection holds on to, over many of them."""

from statistics import median

from .claim import Claim
from .crowd import allowed, crowd
from .job import Job
from .memory import settled
from .process import running
from .section import Plan, Section, progress, turns
from .servers import some
from .table import table_of

NAMES = ["idle"]
OURS = "rpc_sessions"
OTHERS = {
    "rpc_sessions:tornado",
    "ws",
    "rpc-websockets",
    "socket.io",
    "socketio-uvicorn",
    "socketio-tornado",
    "tornado",
}
MOST = 10  # KiB
ROUNDS = 3  # it hardly varies
WARM = 20  # connections before those that count, for what is made once


def run(plan: Plan) -> Section:
    """The others once: they are there to compare with, and no target."""
    connections = allowed(plan.idle)
    memory: dict[str, list[float]] = {}
    for rounds, names in ((min(plan.rounds, ROUNDS), {OURS}), (1, OTHERS)):
        for text, name, peer in turns(some(plan.websocket, names), rounds):
            with running(peer) as (pid, job):
                memory.setdefault(name, []).append(held(job, pid, connections))
            progress(f"{text}: {memory[name][-1]:.2f} KiB a connection")
    claim = Claim(f"an idle connection, of {connections:,}", MOST, memory.get(OURS, []), most=True, unit="KiB")
    body = [[name, f"{median(memory[name]):.1f}"] for name in some(plan.websocket, memory)]
    table = table_of([["server", "KiB a connection"], *body])
    return Section(f"Memory of an idle connection, of {connections:,}", table, [claim])


def held(job: Job, pid: int, connections: int) -> float:
    """KiB a connection, by the growth of the server's resident memory."""
    with crowd(job, WARM):
        pass
    before = settled(pid)
    with crowd(job, connections):
        return (settled(pid) - before) / connections / 1024
