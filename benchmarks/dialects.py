"""What is said over the WebSocket: JSON-RPC, socket.io's packets, and a plain echo of the request."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .wire import Client


@dataclass(frozen=True)
class Dialect:
    """A call on the wire: greet once, then request(method, params, id) and reply(text) -> id, result."""

    greet: Callable[[Client], None]
    request: Callable[[str, list[Any], int], str]
    reply: Callable[[str], tuple[int, Any]]


def _jsonrpc(method: str, params: list[Any], id: int) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": id}, separators=(",", ":"))


def _jsonrpc_reply(text: str) -> tuple[int, Any]:
    reply = json.loads(text)
    return reply["id"], reply["result"]


def _echo_reply(text: str) -> tuple[int, Any]:
    request = json.loads(text)
    return request["id"], request["params"][0]


def _socketio_greet(client: Client) -> None:
    """engine.io's open packet, then the default namespace."""
    assert client.receive().startswith("0{")
    client.send("40")
    assert client.receive().startswith("40{")


def _socketio(method: str, params: list[Any], id: int) -> str:
    return f"42{id}" + json.dumps([method, *params], separators=(",", ":"))


def _socketio_reply(text: str) -> tuple[int, Any]:
    head, bracket, rest = text.partition("[")
    assert head.startswith("43"), text
    return int(head[2:]), json.loads(bracket + rest)[0]


DIALECTS = {
    "jsonrpc": Dialect(lambda client: None, _jsonrpc, _jsonrpc_reply),
    "echo": Dialect(lambda client: None, _jsonrpc, _echo_reply),  # the request comes back as it went
    "socketio": Dialect(_socketio_greet, _socketio, _socketio_reply),
}
