"""One blocking connection of the load, whatever is spoken on it."""

import socket
from abc import ABC, abstractmethod


class Client(ABC):
    """What a server sets as a cookie is kept in `cookie`, what is read but no whole message yet in `unread`."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self.port, self.cookie, self.unread = port, cookie, b""
        self.heartbeats = 0  # answered so far
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @abstractmethod
    def wire(self, request: str) -> bytes:
        """A request as it goes over the wire."""

    @abstractmethod
    def take(self, limit: int = 1 << 30) -> list[bytes]:
        """The whole messages in `unread`, at most so many; heartbeats are answered on the way."""

    def read(self) -> None:
        """Wait for more."""
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.unread += data

    def send(self, request: str) -> None:
        self.sock.sendall(self.wire(request))

    def receive(self) -> bytes:
        """The next message; waits for it."""
        while not (messages := self.take(1)):
            self.read()
        return messages[0]

    def keep_cookie(self, head: str) -> None:
        """What a browser would send back from now on."""
        headers = (line.partition(":") for line in head.split("\r\n"))
        cookies = (value.strip() for name, _, value in headers if name.lower() == "set-cookie")
        self.cookie = "; ".join(cookie.split(";")[0] for cookie in cookies) or self.cookie

    def cookie_header(self) -> str:
        return f"Cookie: {self.cookie}\r\n" if self.cookie else ""

    def close(self) -> None:
        self.sock.close()
