"""Log in over HTTP and the WebSocket is logged in, and the other way round; middleware guards both.

    python examples/03_login_with_middleware/app.py

Then open http://127.0.0.1:3000. Users: ada (password lovelace, an admin) and bob (password builder). With curl:

    curl -b jar -c jar -d name=ada -d password=lovelace http://127.0.0.1:3000/login
    curl -b jar -c jar http://127.0.0.1:3000/me
    curl -b jar -c jar http://127.0.0.1:3000/rpc -H 'Content-Type: application/json' \\
         -d '{"jsonrpc": "2.0", "id": 1, "method": "reports.read"}'
"""

import asyncio
import os
from pathlib import Path

import accounts

from rpc_sessions import NotAuthorised, Server

ss = Server(Path(__file__).parent)


@ss.http.route("/login", methods=["POST"])
async def login(req, res):
    """The target of the page's form: the cookie comes with this reply."""
    name, password = str(req.params.get("name")), str(req.params.get("password"))
    if not await asyncio.to_thread(accounts.check, name, password):
        raise NotAuthorised("wrong name or password")
    await req.session.set_user_id(name)
    res.redirect("/")


@ss.http.route("/logout", methods=["POST"])
async def logout(req, res):
    """Ends the session: its WebSockets are closed, and come back with a new one."""
    await req.session.destroy()
    res.redirect("/")


@ss.http.route("/me", methods=["GET"], use=["session", "users.known"])
async def me(req, res):
    """The same middleware as in rpc/: without a login the answer is 401."""
    return {"user": req.session.user_id, "roles": sorted(req.roles)}


if __name__ == "__main__":
    ss.run(port=int(os.environ.get("PORT", 3000)))
