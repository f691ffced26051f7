"""Echo: one action module, called from a page, from curl, from anything that speaks JSON-RPC 2.0.

    python examples/01_echo/app.py

Then open http://127.0.0.1:3000, or:

    curl http://127.0.0.1:3000/rpc -H 'Content-Type: application/json' \\
         -d '{"jsonrpc": "2.0", "id": 1, "method": "app.echo", "params": ["hello"]}'
"""

import os
from pathlib import Path

from rpc_sessions import Server

ss = Server(Path(__file__).parent)  # finds rpc/ and static/

if __name__ == "__main__":
    ss.run(port=int(os.environ.get("PORT", 3000)))
