"""The client's half of WebSocket, no more than a load generator needs.

Frames are handled here, not by a WebSocket library, so that a request costs the load one slice and one send.
"""

import base64
import os

from .client import Client

TEXT, PING, PONG = 0x81, 0x89, 0x8A
UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
)
MASK = bytes([0x37, 0xFA, 0x21, 0x3D])


def client_frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """A masked frame; a fixed mask costs the server what a random one does."""
    assert len(payload) < 126, "the load sends short messages only"
    masked = bytes(byte ^ MASK[i % 4] for i, byte in enumerate(payload))
    return bytes([opcode, 0x80 | len(payload)]) + MASK + masked


class WebSocketClient(Client):
    """A message is the payload of a frame."""

    def __init__(self, port: int, path: str, cookie: str = "") -> None:
        super().__init__(port, cookie)
        key = base64.b64encode(os.urandom(16)).decode()
        head = UPGRADE.format(path=path, port=port, key=key) + self.cookie_header()
        self.sock.sendall(f"{head}\r\n".encode())
        while b"\r\n\r\n" not in self.unread:
            self.read()
        answer, _, self.unread = self.unread.partition(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 101 "):
            raise ConnectionError(f"upgrade refused: {answer.decode()}")
        self.keep_cookie(answer.decode())

    def wire(self, request: str) -> bytes:
        return client_frame(request.encode())

    def take(self, limit: int = 1 << 30) -> list[bytes]:
        messages: list[bytes] = []
        while len(messages) < limit and len(self.unread) >= 2:
            opcode, size = self.unread[0], self.unread[1]
            if size > 125:
                raise ValueError(f"the load understands short replies only: {self.unread[:200]!r}")
            if len(self.unread) < 2 + size:
                break
            payload, self.unread = self.unread[2 : 2 + size], self.unread[2 + size :]
            if self._heartbeat(opcode, payload):
                self.heartbeats += 1
            else:
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
