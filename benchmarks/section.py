"""What the parts of a run have in common: what was asked for, rounds that take turns, and what comes out."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .claim import Claim
from .servers import Peer


@dataclass(frozen=True)
class Plan:
    """What was asked for."""

    targets: frozenset[str]  # by name
    rounds: int
    seconds: float  # of one measurement
    idle: int  # connections
    websocket: dict[str, Peer]
    http: dict[str, Peer]


@dataclass(frozen=True)
class Section:
    title: str
    table: str
    claims: Sequence[Claim]
    chart: str = ""  # SVG


def turns(peers: Mapping[str, Peer], rounds: int) -> Iterator[tuple[str, str, Peer]]:
    """Every round visits every peer, so that drift of the machine hits them all; and every other one backwards.

    Yields what to say of the progress, the name and the peer.
    """
    for turn in range(rounds):
        order = list(peers.items())
        for name, peer in order[::-1] if turn % 2 else order:
            yield f"round {turn + 1} of {rounds}, {name}", name, peer


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
