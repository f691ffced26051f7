"""The open loop: calls at a fixed rate, whether or not those before them have been answered.

A call's latency counts from when it was due, not from when it was sent. So a server that stops for a moment is
charged for all the calls that came due meanwhile, as it would be by clients that know nothing of each other.
"""

import time
from collections import deque
from dataclasses import dataclass

from .job import Job
from .lane import Lane
from .load import EVENTS, Load
from .meter import Meter, percentiles

SLOTS = 32  # calls in flight on one connection; the next ones wait their turn, and that counts too
PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class Paced:
    rate: float  # calls per second, as asked for
    p50: float  # seconds
    p99: float
    late: float  # seconds; the 99th percentile of how late the load itself was
    server_busy: float


class Pace:
    """rate: calls per second, in turn on each of the connections."""

    def __init__(self, job: Job, connections: int, rate: float) -> None:
        self._load = Load(job, SLOTS, connections)
        self._rate = rate
        self._waiting: dict[Lane, deque[float]] = {}
        self._latencies: list[float] = []
        self._late: list[float] = []

    def measure(self, server_pid: int, seconds: float, warm_up: float = 0.5) -> Paced:
        with self._load.connected():
            self._waiting = {lane: deque() for lane in self._load.lanes.values()}
            self._run(warm_up)
            self._latencies.clear()
            self._late.clear()
            meter = Meter(server_pid)
            self._run(seconds)
            server_busy = meter.read()[2]
        p50, p99 = percentiles(self._latencies, 50, 99)
        return Paced(self._rate, p50, p99, percentiles(self._late, 99)[0], server_busy)

    def _run(self, seconds: float) -> None:
        """Until all calls of so many seconds are answered. It never sleeps, so as not to be late."""
        lanes, clock, step = list(self._waiting), time.perf_counter, 1 / self._rate
        count, total, answered = 0, round(seconds * self._rate), 0
        start = clock()
        with self._load.watched() as poll:
            while answered < total:
                now = clock()
                while count < total and (due := start + count * step) <= now:
                    self._late.append(now - due)
                    self._make(lanes[count % len(lanes)], due)
                    count += 1
                for fd, _ in poll.poll(0, EVENTS):
                    answered += self._take(self._load.lanes[fd])
                if now > start + seconds + PATIENCE:
                    raise TimeoutError(f"{total - answered} of {total} calls were not answered")

    def _make(self, lane: Lane, due: float) -> None:
        if len(lane.sent) < SLOTS:
            lane.send(1, due)
        else:
            self._waiting[lane].append(due)

    def _take(self, lane: Lane) -> int:
        """How many replies a lane has got; what waited for them is sent."""
        count, now = lane.answered(), time.perf_counter()
        for _ in range(count):
            self._latencies.append(now - lane.sent.popleft())
        waiting = self._waiting[lane]
        while waiting and len(lane.sent) < SLOTS:
            lane.send(1, waiting.popleft())
        return count
