"""A counter in the session: counted over HTTP and over WebSocket, one number.

    python examples/02_session_counter/app.py

Then open http://127.0.0.1:3000 in two tabs, or, with a cookie jar for a browser:

    curl -b jar -c jar -X POST http://127.0.0.1:3000/count
    curl -b jar -c jar http://127.0.0.1:3000/rpc -H 'Content-Type: application/json' \\
         -d '{"jsonrpc": "2.0", "id": 1, "method": "counter.increment"}'
"""

import os
from datetime import timedelta
from pathlib import Path

from rpc_sessions import Server

ss = Server(Path(__file__).parent)
ss.session.options.max_age = timedelta(days=7)  # forgotten when nobody came for a week


@ss.http.route("/count", methods=["POST"])
async def count(req, res):
    """Over HTTP the session is there already, and is saved before the reply leaves."""
    count = req.session["count"] = req.session.get("count", 0) + 1
    ss.publish.session(req.session.id, "count", count)  # an event to all tabs of this session
    return {"count": count}


if __name__ == "__main__":
    ss.run(port=int(os.environ.get("PORT", 3000)))
