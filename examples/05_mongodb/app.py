"""Sessions in MongoDB: they outlive the server, and several servers share them.

    python examples/05_mongodb/app.py

It needs a MongoDB: the one at MONGODB_URI, by default mongodb://localhost:27017. With a cookie jar for a browser:

    curl -b jar -c jar -d text=milk http://127.0.0.1:3000/notes
    (restart the server, or start a second one with PORT=3001)
    curl -b jar -c jar http://127.0.0.1:3000/notes
"""

import os
from pathlib import Path

from rpc_sessions import Server

ss = Server(Path(__file__).parent)
ss.session.store.use("mongodb", uri=os.environ.get("MONGODB_URI", "mongodb://localhost:27017"), database="example")
# All servers have the same secret, also after a restart. This default is for trying it out.
ss.session.options.secret = os.environ.get("SECRET", "the secret of an example")


@ss.http.route("/notes", methods=["GET", "POST"])
async def notes(req, res):
    """The notes of this session; a POST adds one."""
    if req.method == "POST":
        req.session["notes"] = [*req.session.get("notes", []), req.params["text"]]
    return req.session.get("notes", [])


if __name__ == "__main__":
    ss.run(port=int(os.environ.get("PORT", 3000)))
