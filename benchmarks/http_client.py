"""The client's half of HTTP/1.1, no more than a load generator needs: GET on a connection that stays open."""

import re

from .client import Client

LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
DATE = re.compile(rb"\r\nDate: [^\r]*", re.IGNORECASE)


class HTTPClient(Client):
    """A request is a path, a message a whole answer, but for its Date: all others of a call are alike."""

    def wire(self, request: str) -> bytes:
        head = f"GET {request} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{self.cookie_header()}\r\n"
        return head.encode()

    def take(self, limit: int = 1 << 30) -> list[bytes]:
        messages: list[bytes] = []
        while len(messages) < limit and b"\r\n\r\n" in self.unread:
            head, _, rest = self.unread.partition(b"\r\n\r\n")
            length = LENGTH.search(head)
            if not length:
                raise ValueError(f"the load understands answers with a Content-Length only: {head.decode()}")
            size = int(length[1])
            if len(rest) < size:
                break
            self.keep_cookie(head.decode())
            messages.append(DATE.sub(b"", head) + b"\r\n\r\n" + rest[:size])
            self.unread = rest[size:]
        return messages
