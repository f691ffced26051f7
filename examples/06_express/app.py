"""One session for an Express application and this server: log in on one side and be logged in on the other.

    npm install --prefix examples/06_express
    python examples/06_express/app.py

Then open http://127.0.0.1:3000. The page and the WebSocket are this server's; Express (express.mjs) is started with
it and listens on 3001. Both keep the sessions in the folder sessions/, and sign the cookie with the same secret.
"""

import os
import subprocess
from pathlib import Path

from rpc_sessions import Server

HERE = Path(__file__).parent
PORT = int(os.environ.get("PORT", 3000))
SECRET = os.environ.get("SECRET", "the secret of an example")
SESSIONS = os.environ.get("SESSIONS", str(HERE / "sessions"))

ss = Server(HERE)
ss.session.options.secret = SECRET
ss.session.store.use("file", path=SESSIONS, layout="express")  # as session-file-store writes them


def start_express() -> subprocess.Popen[bytes]:
    """Express in a process of its own, told the same secret and folder."""
    if not (HERE / "node_modules").is_dir():
        raise SystemExit(f"first: npm install --prefix {HERE}")
    settings = {"PORT": str(PORT + 1), "PAGE": f"http://127.0.0.1:{PORT}", "SECRET": SECRET, "SESSIONS": SESSIONS}
    return subprocess.Popen(["node", HERE / "express.mjs"], env={**os.environ, **settings})


if __name__ == "__main__":
    express = start_express()
    try:
        ss.run(port=PORT)  # until Ctrl-C
    finally:
        express.terminate()
        express.wait()
