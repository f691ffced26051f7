"""The closed loop: some connections with `depth` calls in flight on each, from one thread around one epoll."""

import gc
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .job import Job
from .lane import Lane
from .meter import Meter, percentiles

EVENTS = 64  # of one look: with room for many more, each look would clear that room


@dataclass(frozen=True)
class Result:
    rate: float  # calls per second
    p50: float  # seconds
    p99: float
    load_busy: float  # share of its core the load used: below 1 it was not the bottleneck
    server_busy: float

    @property
    def cost(self) -> float:
        """Seconds of the server's CPU that a call takes."""
        return self.server_busy / self.rate


@dataclass
class Load:
    job: Job
    depth: int
    connections: int = 32
    lanes: dict[int, Lane] = field(default_factory=dict)  # by file descriptor

    def measure(self, server_pid: int, seconds: float, warm_up: float = 0.5) -> Result:
        with self.connected():
            return self.run(server_pid, seconds, warm_up)

    @contextmanager
    def connected(self) -> Iterator[None]:
        lanes = [Lane(self.job, self.depth) for _ in range(self.connections)]
        self.lanes = {lane.client.sock.fileno(): lane for lane in lanes}
        try:
            yield
        finally:
            for lane in lanes:
                lane.client.close()

    def run(self, server_pid: int, seconds: float, warm_up: float = 0.5) -> Result:
        with self.watched() as poll:
            for lane in self.lanes.values():
                lane.send(self.depth, time.perf_counter())
            self._turns(poll, warm_up)
            meter = Meter(server_pid)
            latencies = self._turns(poll, seconds)
            wall, load_busy, server_busy = meter.read()
            self._drain(poll)
        p50, p99 = percentiles(latencies, 50, 99)
        return Result(len(latencies) / wall, p50, p99, load_busy, server_busy)

    @contextmanager
    def watched(self) -> Iterator[select.epoll]:
        """An epoll of all lanes; meanwhile nothing interrupts the load."""
        gc.disable()  # a pause of the load would be counted as the server's
        try:
            with select.epoll() as poll:
                for fd in self.lanes:
                    poll.register(fd, select.EPOLLIN)
                yield poll
        finally:
            gc.enable()

    def _turns(self, poll: select.epoll, seconds: float) -> list[float]:
        """Answer every reply with a new call. How long the calls took."""
        latencies: list[float] = []
        lanes, clock, record = self.lanes, time.perf_counter, latencies.append
        end = clock() + seconds
        while clock() < end:
            for fd, _ in poll.poll(1, EVENTS):
                lane = lanes[fd]
                count = lane.answered()
                now = clock()
                for _ in range(count):
                    record(now - lane.sent.popleft())
                if count:
                    lane.send(count, now)
        return latencies

    def _drain(self, poll: select.epoll) -> None:
        """Wait for the calls in flight, so that no server has to answer who is gone."""
        while any(lane.sent for lane in self.lanes.values()):
            ready = poll.poll(10, EVENTS)
            if not ready:
                raise TimeoutError("the server left calls unanswered")
            for fd, _ in ready:
                for _ in range(self.lanes[fd].answered()):
                    self.lanes[fd].sent.popleft()
