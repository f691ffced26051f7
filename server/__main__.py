"""``python -m server``: serves the application, set up by environment variables.

HOST, PORT: where to listen, 127.0.0.1 and 3000 by default. SESSION_SECRET, MONGODB_URI: see app.py.
"""

from __future__ import annotations

import os
import sys

from rpc_sessions import ConfigError
from server.app import make_server


def main() -> None:
    host, port = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "3000"
    try:
        if not port.isdecimal() or int(port) > 65535:
            raise ConfigError(f"PORT is a number up to 65535, not {port!r}")
        ss = make_server()
    except (ConfigError, ValueError) as error:
        sys.exit(f"server: {error}")
    ss.run(host, int(port))


if __name__ == "__main__":
    main()
