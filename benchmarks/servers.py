"""The servers side by side: what starts each one, how to call it, which versions it runs on."""

import json
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from .job import Job

PEERS = Path(__file__).parent / "peers"
ROOT = PEERS.parent.parent


@dataclass(frozen=True)
class Peer:
    """`runs` is a module of benchmarks.peers or a .mjs file there, with further arguments."""

    runs: str
    packages: str
    path: str = "/"
    dialect: str = "jsonrpc"
    method: str = "bench.echo"
    params: tuple[Any, ...] = ("hello",)
    expect: Any = "hello"
    prepare: str = ""

    @property
    def node(self) -> bool:
        return self.runs.endswith(".mjs")

    def command(self, port: int) -> list[str]:
        name, *arguments = self.runs.split()
        if self.node:
            return ["node", str(PEERS / name), str(port)]
        return [sys.executable, "-m", f"benchmarks.peers.{name}", str(port), *arguments]

    def job(self, port: int) -> Job:
        return Job(port, self.path, self.dialect, self.method, [*self.params], self.expect, self.prepare)


SOCKET_IO = "/socket.io/?EIO=4&transport=websocket"
OURS = "rpc_sessions tornado picows msgspec ujson"
UVICORN = "python-socketio uvicorn uvloop websockets"

ALL: dict[str, Peer] = {
    "tornado": Peer("tornado_raw", "tornado ujson"),
    "socketio-tornado": Peer("socketio_tornado", "python-socketio tornado", SOCKET_IO, "socketio"),
    "socketio-uvicorn": Peer("socketio_uvicorn", UVICORN, SOCKET_IO, "socketio"),
    "socket.io": Peer("socket_io.mjs", "socket.io ws", SOCKET_IO, "socketio"),
    "rpc-websockets": Peer("rpc_websockets.mjs", "rpc-websockets ws"),
    "ws": Peer("ws.mjs", "ws"),
    "rpc_sessions": Peer("rpc_sessions_app", OURS, "/rpc"),
    "rpc_sessions:session": Peer(
        "rpc_sessions_app", OURS, "/rpc", method="sess.read", params=(), expect=1, prepare="sess.write"
    ),
    "rpc_sessions:tornado": Peer("rpc_sessions_app tornado", OURS, "/rpc"),
}
CEILING: dict[str, Peer] = {"picows-echo": Peer("picows_echo", "picows uvloop", dialect="echo")}


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of this tree" if (ROOT / package).is_dir() else ""


def versions(peer: Peer) -> dict[str, str]:
    """Package to version, empty when it is missing."""
    names = peer.packages.split()
    return {name: node_version(name) if peer.node else version(name) for name in names}


def node_version(package: str) -> str:
    file = PEERS / "node_modules" / package / "package.json"
    return str(json.loads(file.read_text())["version"]) if file.exists() else ""
