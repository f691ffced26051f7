"""What a stretch of time cost: on the clock, of the load's core and of the server's."""

import os
import time
from collections.abc import Sequence


class Meter:
    """Runs from when it is made."""

    def __init__(self, server_pid: int) -> None:
        self._pid = server_pid
        self._start = self._now()

    def _now(self) -> tuple[float, float, float]:
        return time.perf_counter(), time.process_time(), cpu_seconds(self._pid)

    def read(self) -> tuple[float, float, float]:
        """Seconds so far, and the shares of their cores that the load and the server used."""
        wall, load, server = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return wall, load / wall, server / wall


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all its threads; fields 14 and 15 of its stat line."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentiles(values: Sequence[float], *percents: int) -> list[float]:
    ordered = sorted(values)
    return [ordered[len(ordered) * percent // 100] for percent in percents]
