"""One server's process: started on a free port and a core of its own, waited for, ended by its handle."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .job import Job
from .servers import ROOT, Peer

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
PRODUCTION = {**os.environ, "NODE_ENV": "production"}


@contextmanager
def running(peer: Peer) -> Iterator[tuple[int, Job]]:
    """The server's pid and the job for it; the server ends with the block."""
    port = free_port()
    process = subprocess.Popen(peer.command(port), cwd=ROOT, env=PRODUCTION, preexec_fn=lambda: pin(SERVER_CORE))
    try:
        wait_ready(process, peer.job(port))
        yield process.pid, peer.job(port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def pin(core: int) -> None:
    os.sched_setaffinity(0, {core})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_listening(process: "subprocess.Popen[bytes]", port: int, seconds: float = 15) -> None:
    """Until a connection is taken."""
    end = time.monotonic() + seconds
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)


def wait_ready(process: "subprocess.Popen[bytes]", job: Job, seconds: float = 15) -> None:
    """Until a call is answered, rightly."""
    end = time.monotonic() + seconds
    while True:
        try:
            client = job.connect()
            job.ask(client)
            return client.close()
        except OSError:  # not there yet
            if process.poll() is not None or time.monotonic() > end:
                raise
            time.sleep(0.05)
