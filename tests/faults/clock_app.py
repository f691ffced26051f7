"""A server for the tests of clocks: ``python clock_app.py PORT FOLDER STEADY STORE OPTIONS``.

It sweeps five times a second, once the clock was steady for so many seconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rpc_sessions import HTTPRequest, HTTPResponse, Server, Session
from rpc_sessions.session import sweep
from rpc_sessions.transport import timers
from tests.apps import SECRET


def seen(session: Session) -> dict[str, object]:
    """What a client is told of a session."""
    return {"user": session.user_id, "values": dict(session), "expires": session.expires.timestamp()}


def make(folder: Path, store: str, options: dict[str, object]) -> Server:
    """A server with its application in the folder."""
    ss = Server(folder)
    ss.session.options.secret = SECRET
    ss.session.options.touch_after = 0
    ss.options.ping_interval = 0.4
    ss.session.store.use(store, **options)
    ss.api.seen = seen

    @ss.http.route("/seen")
    async def show(req: HTTPRequest, res: HTTPResponse) -> dict[str, object]:
        return seen(req.session)

    return ss


if __name__ == "__main__":
    port, folder, steady, store, options = sys.argv[1:]
    timers.SWEEP_EVERY, sweep.STEADY = 0.2, float(steady)
    make(Path(folder), store, json.loads(options)).run(port=int(port))
