"""The load: some connections with `depth` calls in flight on each, from one thread around one epoll.

A call keeps its id for the whole run, so every request and every reply is known beforehand: sending the next
k calls is one slice of prebuilt frames, and checking k replies is one comparison with the bytes they must be.
"""

import gc
import os
import select
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat

from .dialects import DIALECTS
from .job import FIRST_ID, Job
from .wire import client_frame, server_frame


@dataclass(frozen=True)
class Result:
    rate: float  # calls per second
    p50: float  # seconds
    p99: float
    load_busy: float  # share of its core the load used: below 1 it was not the bottleneck
    server_busy: float


class Lane:
    """One connection and its calls in flight, answered in the order they were sent."""

    def __init__(self, job: Job, depth: int) -> None:
        self.client, self.depth, self.next = job.connect(), depth, 0
        ids = range(FIRST_ID, FIRST_ID + depth)
        request = DIALECTS[job.dialect].request
        requests = [client_frame(request(job.method, job.params, id).encode()) for id in ids]
        texts = [job.ask(self.client, job.method, job.params, id, job.expect) for id in ids]
        replies = [server_frame(text.encode()) for text in texts]
        assert len({*map(len, requests)}) == len({*map(len, replies)}) == 1, "frames must be of one length"
        # Twice, so that any run of up to `depth` calls is one slice.
        self.requests, self.request_size = b"".join(requests * 2), len(requests[0])
        self.replies, self.reply_size = b"".join(replies * 2), len(replies[0])
        self.sent: deque[float] = deque()

    def start(self) -> None:
        self.client.sock.settimeout(None)  # with a timeout Python asks poll() before every read and write
        self._send(0, self.depth, time.perf_counter())

    def _send(self, first: int, count: int, now: float) -> None:
        start, end = first * self.request_size, (first + count) * self.request_size
        self.client.sock.sendall(self.requests[start:end])
        self.sent.extend(repeat(now, count))

    def turn(self, latencies: list[float]) -> None:
        """Take the replies that arrived and send as many new calls."""
        data = self.client.sock.recv(65536)
        now = time.perf_counter()
        first, (count, odd) = self.next, divmod(len(data), self.reply_size)
        if odd or self.client.unread or not self._expected(data, first, count):
            count = self._slowly(data, first)
        self.next = (first + count) % self.depth
        latencies.extend(now - self.sent.popleft() for _ in range(count))
        self._send(first, count, now)

    def _expected(self, data: bytes, first: int, count: int) -> bool:
        start = first * self.reply_size
        return 0 < count <= self.depth and data == self.replies[start : start + len(data)]

    def _slowly(self, data: bytes, first: int) -> int:
        """A reply was split over two reads, or a heartbeat came, or something is wrong."""
        if not data:
            raise ConnectionError("the server closed the connection")
        self.client.unread += data
        frames = b"".join(map(server_frame, self.client.take()))
        count = len(frames) // self.reply_size
        if frames and not self._expected(frames, first, count):
            raise ValueError(f"wrong reply, or out of order: {frames[:300]!r}")
        return count


@dataclass
class Load:
    job: Job
    depth: int
    connections: int = 32
    lanes: dict[int, Lane] = field(default_factory=dict)

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
        gc.disable()  # a pause of the load would be counted as the server's
        try:
            for lane in self.lanes.values():
                lane.start()
            self._run(warm_up)
            return self._timed(server_pid, seconds)
        finally:
            gc.enable()

    def _timed(self, server_pid: int, seconds: float) -> Result:
        wall, load, server = time.perf_counter(), time.process_time(), cpu_seconds(server_pid)
        latencies = self._run(seconds)
        wall = time.perf_counter() - wall
        load, server = time.process_time() - load, cpu_seconds(server_pid) - server
        p50, p99 = percentiles(latencies, 50, 99)
        return Result(len(latencies) / wall, p50, p99, load / wall, server / wall)

    def _run(self, seconds: float) -> list[float]:
        latencies: list[float] = []
        with select.epoll() as poll:
            for fd in self.lanes:
                poll.register(fd, select.EPOLLIN)
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                for fd, _ in poll.poll(1):
                    self.lanes[fd].turn(latencies)
        return latencies


def percentiles(values: list[float], *percents: int) -> list[float]:
    ordered = sorted(values)
    return [ordered[len(ordered) * percent // 100] for percent in percents]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far; fields 14 and 15 of its stat line."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
