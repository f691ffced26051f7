"""What a session costs when it is in a database: python -m benchmarks.stores --help

Calls that read their session, each connection its own, beside a bare loop of the driver's own read at the same
concurrency. The server, or the loop, has one core; the database and the load share the other. What is stored is
compared before and after: calls that change nothing must have written nothing.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from .databases import DATABASES, Database
from .load import Load, Result
from .process import LOAD_CORE, SERVER_CORE, free_port, pin, running, wait_listening
from .report import machine, write
from .servers import OURS, ROOT, Peer
from .table import table_of

LOOPS = ["asyncio", "uvloop"]  # the driver's own use, and what this server runs on
HEAD = ["store", *(f"driver's reads/s, {loop}" for loop in LOOPS), "session calls/s", *(f"/ {loop}" for loop in LOOPS)]
HEAD += ["p50 ms", "p99 ms", "sessions written"]


def options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__)
    parser.add_argument("--stores", nargs="+", choices=DATABASES, default=[*DATABASES])
    parser.add_argument("--rounds", type=int, default=5, help="the median of them is shown")
    parser.add_argument("--seconds", type=float, default=2, help="of one measurement")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    chosen = options(argv)
    pin(LOAD_CORE)
    text = table_of([HEAD, *(row(name, chosen) for name in chosen.stores)])
    head = f"{machine()}; {chosen.connections} connections, one call in flight each\n\n`python -m benchmarks.stores`\n"
    print(f"{head}\n{text}")
    if chosen.write:
        write(f"{head}\n{text}", "stores")


def row(name: str, chosen: argparse.Namespace) -> list[str]:
    """Rounds that take turns, so that drift of the machine hits both sides."""
    database = DATABASES[name]
    bare: dict[str, list[float]] = {loop: [] for loop in LOOPS}
    calls: list[Result] = []
    written = 0
    with started(database) as url:
        for turn in range(chosen.rounds):
            for loop, rates in bare.items():
                rates.append(driver_alone(loop, name, url, chosen))
            result, wrote = session_calls(name, url, chosen)
            calls.append(result)
            written += wrote
            print(f"round {turn + 1} {name}: {result.rate:,.0f} session calls/s", file=sys.stderr, flush=True)
    ours = [call.rate for call in calls]
    ratios = [median(one / other for one, other in zip(ours, rates, strict=True)) for rates in bare.values()]
    speeds = [f"{median(rates):,.0f}" for rates in [*bare.values(), ours]]
    times = [f"{median(call.p50 for call in calls) * 1e3:.2f}", f"{median(call.p99 for call in calls) * 1e3:.2f}"]
    return [database.title, *speeds, *(f"{ratio:.2f}" for ratio in ratios), *times, str(written)]


@contextmanager
def started(database: Database) -> Iterator[str]:
    """The database, on the core of the load. Its url."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            database.command(port, folder), stdout=subprocess.DEVNULL, preexec_fn=lambda: pin(LOAD_CORE)
        )
        try:
            wait_listening(process, port)
            yield database.url(port)
        finally:
            process.terminate()
            process.wait(10)


def driver_alone(loop: str, name: str, url: str, chosen: argparse.Namespace) -> float:
    """Reads a second, by the driver on the core of the server."""
    arguments = [loop, name, url, str(chosen.connections), str(chosen.seconds)]
    command = [sys.executable, "-m", "benchmarks.databases", *arguments]
    return float(subprocess.check_output(command, cwd=ROOT, preexec_fn=lambda: pin(SERVER_CORE)))


def session_calls(name: str, url: str, chosen: argparse.Namespace) -> tuple[Result, int]:
    """Calls a second that read their session; and how many sessions were written meanwhile."""
    peer = Peer(
        f"rpc_sessions_app auto {name} {url}",
        OURS,
        "/rpc",
        method="sess.read",
        params=(),
        expect=1,
        prepare="sess.write",
    )
    with running(peer) as (pid, job):
        load = Load(job, 1, chosen.connections)
        with load.connected():
            before = DATABASES[name].look(url)
            result = load.run(pid, chosen.seconds)
            after = DATABASES[name].look(url)
    return result, sum(one != other for one, other in zip(before, after, strict=True))


if __name__ == "__main__":
    main(sys.argv[1:])
