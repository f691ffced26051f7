"""Makes the server: its store and secret from the environment, its HTTP routes from routes.py."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rpc_sessions import Server
from server.routes import add_routes


def make_server(env: Mapping[str, str] = os.environ) -> Server:
    """MONGODB_URI: sessions live in that MongoDB, else in memory. SESSION_SECRET: cookies outlive a restart.

    ValueError if the secret is under 16 characters; ConfigError if the store cannot be used.
    """
    ss = Server(Path(__file__).parent)
    if secret := env.get("SESSION_SECRET"):
        ss.session.options.secret = secret
    if uri := env.get("MONGODB_URI"):
        ss.session.store.use("mongodb", uri=uri, database=database_of(uri))
    add_routes(ss)
    return ss


def database_of(uri: str) -> str:
    """The database that the path of a MongoDB URI names, or "app"."""
    return unquote(urlsplit(uri).path.strip("/")) or "app"
