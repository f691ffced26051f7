"""One connection of the load, and its calls in flight.

A call keeps its id for the whole run, so every request and every reply is known beforehand: sending the next
calls is one slice of prebuilt bytes. Replies are compared with what they must be; bytes that have been found right
once are recognised by one look into a dictionary.
"""

from collections import deque
from itertools import repeat

from .job import FIRST_ID, Job

ROOM = 16384  # bytes; more than what is ever in flight


class Lane:
    """slots: how many calls may be in flight. They are answered in the order they were sent."""

    def __init__(self, job: Job, slots: int) -> None:
        self.client, self.slots = job.connect(), slots
        self.sent: deque[float] = deque()  # when, for each call in flight
        self._out = self._in = 0  # the slot of the next call, and of the next reply
        ids = range(FIRST_ID, FIRST_ID + slots)
        requests = [job.wire(self.client, id) for id in ids]
        assert len({*map(len, requests)}) == 1, "requests must be of one length"
        # Almost twice, so that any run of up to `slots` calls is one slice.
        self._requests, self._size = b"".join(requests + requests[:-1]), len(requests[0])
        self._replies = [job.ask(self.client, id) for id in ids] * 2
        self._known: list[dict[bytes, int]] = [{} for _ in ids]  # right bytes to how many replies they are, by slot
        self.client.sock.settimeout(None)  # with a timeout Python asks poll() before every read and write
        self._recv, self._sendall = self.client.sock.recv, self.client.sock.sendall

    def send(self, count: int, now: float) -> None:
        """Make the next calls; now: when they began, for `sent`."""
        start = self._out * self._size
        self._out = (self._out + count) % self.slots
        if count == 1:
            self.sent.append(now)
        else:
            self.sent.extend(repeat(now, count))
        self._sendall(self._requests[start : start + count * self._size])

    def answered(self) -> int:
        """Read what has arrived: how many replies, all of them right."""
        data = self._recv(ROOM)
        count = self._known[self._in].get(data)
        if count is None or self.client.unread:
            count = self._check(data)
        self._in = (self._in + count) % self.slots
        return count

    def _check(self, data: bytes) -> int:
        """Bytes not seen yet, a reply split over two reads, a heartbeat, or something is wrong."""
        if not data:
            raise ConnectionError("the server closed the connection")
        client, before = self.client, (self.client.unread, self.client.heartbeats)
        client.unread += data
        messages = client.take()
        if messages != self._replies[self._in : self._in + len(messages)]:
            raise ValueError(f"wrong reply, or out of order: {messages!r:.300}")
        if messages and before == (b"", client.heartbeats) and not client.unread:
            self._known[self._in][data] = len(messages)
        return len(messages)
