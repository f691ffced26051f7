"""A session store of one's own: one file, by the standard library's sqlite3. The package was begun with the command

    rpc-sessions new store sqlite3

and its methods filled in: rpc_sessions_sqlite3/store.py. It passes its tests (pip install pytest):

    cd examples/07_own_store && pytest

To use it:

    python examples/07_own_store/app.py

Then, with a cookie jar for a browser; restart the server in between, the sessions are in the file sessions.db:

    curl -b jar -c jar -X POST http://127.0.0.1:3000/visit
    rpc-sessions sessions list --app examples/07_own_store/app.py:ss
"""

import os
from pathlib import Path

from rpc_sessions_sqlite3 import Sqlite3Store

from rpc_sessions import Server

ss = Server(Path(__file__).parent)
# Any object with the methods of a store. After `pip install ./examples/07_own_store` it also has a name:
# ss.session.store.use("sqlite3", path="sessions.db")
ss.session.store.use(Sqlite3Store(os.environ.get("SESSIONS", "sessions.db")))
# All servers have the same secret, also after a restart. This default is for trying it out.
ss.session.options.secret = os.environ.get("SECRET", "the secret of an example")


@ss.http.route("/visit", methods=["POST"])
async def visit(req, res):
    """One more visit."""
    req.session["visits"] = req.session.get("visits", 0) + 1
    return {"visits": req.session["visits"]}


if __name__ == "__main__":
    ss.run(port=int(os.environ.get("PORT", 3000)))
