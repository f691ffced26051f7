"""What is said on a connection: JSON-RPC, socket.io's packets, a plain echo of the request, or plain HTTP."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .client import Client
from .http_client import HTTPClient
from .websocket_client import WebSocketClient


@dataclass(frozen=True)
class Dialect:
    """How to connect, given port, path and cookie; what asks for a call; and what a message answers, to which id."""

    connect: Callable[[int, str, str], Client]
    request: Callable[[str, list[Any], int], str]
    reply: Callable[[bytes, int], tuple[int, Any]]


def _jsonrpc(method: str, params: list[Any], id: int) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": id}, separators=(",", ":"))


def _jsonrpc_reply(message: bytes, id: int) -> tuple[int, Any]:
    reply = json.loads(message)
    return reply["id"], reply["result"]


def _echo_reply(message: bytes, id: int) -> tuple[int, Any]:
    request = json.loads(message)
    return request["id"], request["params"][0]


def _socketio_connect(port: int, path: str, cookie: str) -> Client:
    """engine.io's open packet, then the default namespace."""
    client = WebSocketClient(port, path, cookie)
    assert client.receive().startswith(b"0{")
    client.send("40")
    assert client.receive().startswith(b"40{")
    return client


def _socketio(method: str, params: list[Any], id: int) -> str:
    return f"42{id}" + json.dumps([method, *params], separators=(",", ":"))


def _socketio_reply(message: bytes, id: int) -> tuple[int, Any]:
    head, bracket, rest = message.partition(b"[")
    assert head.startswith(b"43"), message
    return int(head[2:]), json.loads(bracket + rest)[0]


def _http_reply(message: bytes, id: int) -> tuple[int, Any]:
    """HTTP has no ids: an answer belongs to the request before it."""
    head, _, body = message.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), message
    return id, json.loads(body)


DIALECTS = {
    "jsonrpc": Dialect(WebSocketClient, _jsonrpc, _jsonrpc_reply),
    "echo": Dialect(WebSocketClient, _jsonrpc, _echo_reply),  # the request comes back as it went
    "socketio": Dialect(_socketio_connect, _socketio, _socketio_reply),
    "http": Dialect(
        lambda port, path, cookie: HTTPClient(port, cookie), lambda method, params, id: method, _http_reply
    ),
}
