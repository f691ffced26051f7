"""What an idle connection holds on to: growth of the server's resident memory over many of them."""

import time

from .job import FIRST_ID, Job
from .wire import Client


def per_connection(job: Job, pid: int, connections: int = 1000) -> float:
    """Bytes. Every connection has made one call, so that what is built lazily counts."""
    clients = [opened(job) for _ in range(20)]  # what the first connections make once is not counted
    before = settled(pid)
    clients += [opened(job) for _ in range(connections)]
    growth = settled(pid) - before
    for client in clients:
        client.close()
    return growth / connections


def opened(job: Job) -> Client:
    client = job.connect()
    job.ask(client, job.method, job.params, FIRST_ID, job.expect)
    return client


def settled(pid: int, seconds: float = 0.5) -> int:
    time.sleep(seconds)
    with open(f"/proc/{pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
