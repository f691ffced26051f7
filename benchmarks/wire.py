"""The client's half of WebSocket, no more than a load generator needs.

Frames are handled here, not by a WebSocket library, so that a request costs the load one slice and one send.
"""

import base64
import os
import socket

TEXT, PING, PONG = 0x81, 0x89, 0x8A
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
)
MASK = bytes([0x37, 0xFA, 0x21, 0x3D])


def mask(payload: bytes) -> bytes:
    return bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))


def client_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A masked frame; a fixed mask costs the server what a random one does."""
    assert len(payload) < 126, "the load sends short messages only"
    return bytes([opcode, 0x80 | len(payload)]) + MASK + mask(payload)


def server_frame(payload: bytes) -> bytes:
    return bytes([TEXT, len(payload)]) + payload


class Client:
    """One blocking WebSocket connection; a cookie set on the upgrade is kept in `cookie`."""

    def __init__(self, port: int, path: str, cookie: str = "") -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        self.cookie = self._upgrade(port, path, cookie) or cookie

    def _upgrade(self, port: int, path: str, cookie: str) -> str:
        key = base64.b64encode(os.urandom(16)).decode()
        head = UPGRADE.format(path=path, port=port, key=key) + (f"Cookie: {cookie}\r\n" if cookie else "")
        self.sock.sendall(f"{head}\r\n".encode())
        while b"\r\n\r\n" not in self.unread:
            self._read()
        answer, _, self.unread = self.unread.partition(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(f"upgrade refused: {answer.decode()}")
        return _set_cookie(answer.decode())

    def _read(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.unread += data

    def send(self, text: str) -> None:
        self.sock.sendall(client_frame(text.encode()))

    def receive(self) -> str:
        """The next message; waits for it."""
        while not (messages := self.take(1)):
            self._read()
        return messages[0].decode()

    def take(self, limit: int = 1 << 30) -> list[bytes]:
        """The whole messages in `unread`; heartbeats are answered on the way."""
        messages: list[bytes] = []
        while len(messages) < limit and len(self.unread) >= 2:
            opcode, size = self.unread[0], self.unread[1]
            if size > 125:
                raise ValueError(f"the load understands short replies only: {self.unread[:200]!r}")
            if len(self.unread) < 2 + size:
                break
            payload, self.unread = self.unread[2 : 2 + size], self.unread[2 + size :]
            if not self._heartbeat(opcode, payload):
                messages.append(payload)
        return messages

    def _heartbeat(self, opcode: int, payload: bytes) -> bool:
        if opcode == PING:
            self.sock.sendall(client_frame(payload, PONG))
        elif opcode == TEXT and payload == b"2":  # engine.io's own ping
            self.send("3")
        elif opcode == TEXT:
            return False
        elif opcode != PONG:
            raise ConnectionError(f"unexpected frame {opcode:#x} {payload!r}")
        return True

    def close(self) -> None:
        self.sock.close()


def _set_cookie(head: str) -> str:
    """What a browser would send back."""
    headers = (line.partition(":") for line in head.split("\r\n"))
    cookies = (value.strip() for name, _, value in headers if name.lower() == "set-cookie")
    return "; ".join(cookie.split(";")[0] for cookie in cookies)
