"""The tests of this folder run on each way an HTTP request can go: see ``way``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from rpc_sessions import Server
from tests.apps import Files, MakeServer
from tests.requirements import needs_module


@pytest.fixture(params=["auto", "uvloop", "tornado"])
def way(request: pytest.FixtureRequest) -> str:
    """``options.transport`` of this test's servers; "uvloop" is "auto" on uvloop's loop."""
    name: str = request.param
    return name


@pytest.fixture
def new_loop(way: str) -> Callable[[], asyncio.AbstractEventLoop]:
    if way != "uvloop":
        return asyncio.new_event_loop
    make: Callable[[], asyncio.AbstractEventLoop] = needs_module("uvloop", "pip install uvloop").new_event_loop
    return make


@pytest.fixture
def make_server(make_server: MakeServer, way: str) -> MakeServer:
    """As everywhere, with the transport set."""
    transport = "tornado" if way == "tornado" else "auto"

    def make(files: Files, **options: object) -> Server:
        return make_server(files, **{"transport": transport} | options)

    return make
