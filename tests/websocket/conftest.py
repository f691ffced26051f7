"""The tests of this folder run on each transport: see transports.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from rpc_sessions import Server
from tests import frames
from tests.apps import Files, MakeServer
from tests.requirements import needs_module


@pytest.fixture(params=["fast", "tornado"], autouse=True)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """``options.transport`` of this test's servers; "uvloop" and "deflate": see transports.py."""
    name: str = request.param
    if name == "deflate":
        monkeypatch.setitem(frames.HEADERS, "Sec-WebSocket-Extensions", "permessage-deflate")
    if name in ("fast", "uvloop"):
        needs_module("picows", 'pip install "picows>=2.3,<2.4"')
    return name


@pytest.fixture
def new_loop(transport: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if transport != "uvloop":
        return asyncio.new_event_loop
    make: Callable[[], asyncio.AbstractEventLoop] = needs_module("uvloop", "pip install uvloop").new_event_loop
    return make


@pytest.fixture
def make_server(make_server: MakeServer, transport: str) -> MakeServer:
    """As everywhere, with the transport set."""
    given: dict[str, object] = {"transport": {"uvloop": "fast", "deflate": "auto"}.get(transport, transport)}
    if transport == "deflate":
        given["compression"] = True

    def make(files: Files, **options: object) -> Server:
        return make_server(files, **given | options)

    return make
