"""Many connections that have made one call each, and then say nothing."""

import resource
import select
from collections.abc import Iterator
from contextlib import contextmanager

from .client import Client
from .job import Job

SPARE = 500  # file descriptors for everything else
BREATH = 250  # connections; slow servers begin to send heartbeats before all are open


def allowed(wanted: int) -> int:
    """How many connections there can be, once the limit on open files is as high as it goes; servers inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - SPARE)


@contextmanager
def crowd(job: Job, connections: int) -> Iterator[None]:
    """So many of them. ConnectionError if the server has closed one by the end."""
    clients: dict[int, Client] = {}
    with select.epoll() as poll:
        try:
            for count in range(connections):
                client = opened(job)
                clients[client.sock.fileno()] = client
                poll.register(client.sock, select.EPOLLIN)
                if count % BREATH == 0:
                    answer_heartbeats(poll, clients)
            yield
            answer_heartbeats(poll, clients)
        finally:
            for client in clients.values():
                client.close()


def opened(job: Job) -> Client:
    """It makes one call, so that what a server builds late counts."""
    client = job.connect()
    job.ask(client)
    return client


def answer_heartbeats(poll: select.epoll, clients: dict[int, Client]) -> None:
    for fd, _ in poll.poll(0, len(clients)):
        clients[fd].read()
        if messages := clients[fd].take():
            raise ValueError(f"an idle connection was sent {messages!r:.300}")
