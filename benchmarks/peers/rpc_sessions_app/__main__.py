"""The server of this repository: `python -m benchmarks.peers.rpc_sessions_app PORT [TRANSPORT [STORE URL]]`."""

import logging
import sys
from pathlib import Path

from rpc_sessions import Server
from rpc_sessions.transport.messages import HTTPRequest, HTTPResponse

ss = Server(Path(__file__).parent)


@ss.http.route("/read")
async def read(req: HTTPRequest, res: HTTPResponse) -> dict[str, object]:
    return {"n": req.session["n"]}


@ss.http.route("/write")
async def write(req: HTTPRequest, res: HTTPResponse) -> bool:
    req.session["n"] = 1
    return True


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)  # as for the peers: a line a connection is not what is measured
    ss.session.options.secret = "only for benchmarks on 127.0.0.1"
    port, transport, store, url = (*sys.argv[1:], *["auto", "memory", ""][len(sys.argv) - 2 :])
    ss.options.transport = transport
    if url:
        ss.session.store.use(store, **{"uri" if store == "mongodb" else "url": url})
    ss.run(port=int(port))
