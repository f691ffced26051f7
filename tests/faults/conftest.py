"""Stores that can be made to fail."""

from __future__ import annotations

import pytest

from rpc_sessions.session.stores import redis_client, sql
from tests.conftest import allow_unclosed
from tests.faults.disk import disk
from tests.faults.remote import REMOTE, Remote
from tests.faults.remote import remote as make_remote
from tests.stores.conftest import mariadb, own, postgresql, redis_server

__all__ = ["disk", "mariadb", "own", "postgresql", "redis_server"]  # fixtures


@pytest.fixture(params=REMOTE)
def remote(request: pytest.FixtureRequest, own: str, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """A store behind a proxy. It waits for an answer 6 seconds."""
    for module in (sql, redis_client):
        monkeypatch.setattr(module, "_PATIENCE", 6.0)
    name = request.param
    if name in ("mongodb", "motor"):
        own = request.getfixturevalue("mongo_database")
        remote = make_remote(name, request.getfixturevalue("mongo_uri"), own)
        allow_unclosed(request.config, remote.proxy.port)
        return remote
    server = request.getfixturevalue("redis_server" if name.startswith("redis") else name)
    return make_remote(name, server.url, own)
