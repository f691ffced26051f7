"""The servers side by side: what starts each one, how to call it, which versions it runs on."""

import json
import sys
from collections.abc import Iterable
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
        return self.runs.split()[0].endswith(".mjs")

    def command(self, port: int) -> list[str]:
        name, *arguments = self.runs.split()
        if self.node:
            return ["node", str(PEERS / name), str(port)]
        return [sys.executable, "-m", f"benchmarks.peers.{name}", str(port), *arguments]

    def job(self, port: int) -> Job:
        return Job(port, self.path, self.dialect, self.method, [*self.params], self.expect, self.prepare)


def reads_session(runs: str, packages: str) -> Peer:
    """A route that answers {"n": 1} out of a stored session."""
    return Peer(runs, packages, "", "http", "/read", (), {"n": 1}, "/write")


SOCKET_IO = "/socket.io/?EIO=4&transport=websocket"
OURS = "rpc_sessions tornado picows msgspec ujson uvloop"
UVICORN = "python-socketio uvicorn uvloop websockets"
NATIVE = "bufferutil utf-8-validate"  # what `ws` is faster with

WEBSOCKET: dict[str, Peer] = {
    "rpc_sessions": Peer("rpc_sessions_app", OURS, "/rpc"),
    "rpc_sessions:session": Peer(
        "rpc_sessions_app", OURS, "/rpc", method="sess.read", params=(), expect=1, prepare="sess.write"
    ),
    "rpc_sessions:tornado": Peer("rpc_sessions_app tornado", OURS, "/rpc"),
    "ws": Peer("ws.mjs", f"ws {NATIVE}"),
    "rpc-websockets": Peer("rpc_websockets.mjs", f"rpc-websockets ws {NATIVE}"),
    "socket.io": Peer("socket_io.mjs", f"socket.io ws {NATIVE}", SOCKET_IO, "socketio"),
    "socketio-uvicorn": Peer("socketio_uvicorn", UVICORN, SOCKET_IO, "socketio"),
    "socketio-tornado": Peer("socketio_tornado", "python-socketio tornado", SOCKET_IO, "socketio"),
    "tornado": Peer("tornado_raw", "tornado ujson"),
    "tornado:uvloop": Peer("tornado_raw uvloop", "tornado ujson uvloop"),
    "picows-echo": Peer("picows_echo", "picows uvloop", dialect="echo"),
}
HTTP: dict[str, Peer] = {
    "rpc_sessions": reads_session("rpc_sessions_app", OURS),
    "express": reads_session("express.mjs", "express express-session"),
    "tornado": reads_session("tornado_http", "tornado"),
    "tornado:uvloop": reads_session("tornado_http uvloop", "tornado uvloop"),
}
NAMES = [*dict.fromkeys([*WEBSOCKET, *HTTP])]


def some(peers: dict[str, Peer], names: Iterable[str]) -> dict[str, Peer]:
    """Those of the peers that are named, in their own order."""
    named = set(names)
    return {name: peer for name, peer in peers.items() if name in named}


def missing(peer: Peer) -> list[str]:
    return [package for package, found in versions(peer).items() if not found]


def versions(peer: Peer) -> dict[str, str]:
    """Package to version, empty when it is missing."""
    names = peer.packages.split()
    return {name: node_version(name) if peer.node else version(name) for name in names}


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "of this tree" if (ROOT / package).is_dir() else ""


def node_version(package: str) -> str:
    file = PEERS / "node_modules" / package / "package.json"
    return str(json.loads(file.read_text())["version"]) if file.exists() else ""
