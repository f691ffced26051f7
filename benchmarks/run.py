"""Run the servers side by side and print the table: python -m benchmarks.run --help"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence

from .load import Load
from .memory import per_connection
from .process import LOAD_CORE, pin, running
from .report import described, machine, write
from .servers import ALL, CEILING, PEERS, Peer, versions
from .table import Rounds, table


def options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--peers", type=known, default=[*ALL], help=f"some of {', '.join(ALL)}")
    parser.add_argument("--depths", type=numbers, default=[1, 16], help="calls in flight on each connection")
    parser.add_argument("--rounds", type=int, default=5, help="the median of them is shown")
    parser.add_argument("--seconds", type=float, default=2, help="of one measurement")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--idle", type=int, default=1000, help="connections to measure memory with, or 0")
    parser.add_argument("--ceiling", action="store_true", help="the load against a bare picows echo instead")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    return parser.parse_args(argv)


def split(text: str) -> list[str]:
    return text.split(",")


def known(text: str) -> list[str]:
    if unknown := set(split(text)) - ALL.keys():
        raise argparse.ArgumentTypeError(f"no peer {', '.join(unknown)}")
    return split(text)


def numbers(text: str) -> list[int]:
    return [int(word) for word in split(text)]


def main(argv: Sequence[str]) -> None:
    chosen = options(argv)
    install_node_peers()
    peers = available(CEILING if chosen.ceiling else {name: ALL[name] for name in chosen.peers})
    command = " ".join(["python -m benchmarks.run", *(word for word in argv if word != "--write")])
    head = f"{machine()}  \n{described(peers)}\n\n`{command}`\n"
    print(head)
    pin(LOAD_CORE)
    text = table(measure(peers, chosen), remember(peers, chosen.idle))
    print(text)
    if chosen.write:
        write(f"{head}\n{text}")


def install_node_peers() -> None:
    """Without npm they are skipped later, by name."""
    if shutil.which("npm") and not (PEERS / "node_modules").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=PEERS, check=True)


def available(peers: dict[str, Peer]) -> dict[str, Peer]:
    """Those whose packages are there; says what is missing for the others."""
    for name, peer in peers.items():
        if missing := [package for package, found in versions(peer).items() if not found]:
            progress(f"skipping {name}: {'npm' if peer.node else 'pip'} install {' '.join(missing)}")
    return {name: peer for name, peer in peers.items() if all(versions(peer).values())}


def measure(peers: dict[str, Peer], chosen: argparse.Namespace) -> Rounds:
    """Every round visits every peer, so that drift of the machine hits them all."""
    rounds: Rounds = {(name, depth): [] for name in peers for depth in chosen.depths}
    for turn in range(chosen.rounds):
        for name, peer in peers.items():
            with running(peer) as (pid, job):
                for depth in chosen.depths:
                    result = Load(job, depth, chosen.connections).measure(pid, chosen.seconds)
                    rounds[name, depth].append(result)
                    progress(f"round {turn + 1} {name} depth {depth}: {result.rate:,.0f} calls/s")
    return rounds


def remember(peers: dict[str, Peer], idle: int) -> dict[str, float]:
    memory: dict[str, float] = {}
    for name, peer in peers.items() if idle else ():
        with running(peer) as (pid, job):
            memory[name] = per_connection(job, pid, idle)
        progress(f"memory {name}: {memory[name] / 1024:.1f} KiB/connection")
    return memory


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
