"""Small applications: written to disk as a user would, served on a free port of the test's own loop.

    async def test_it(make_server: MakeServer) -> None:
        async with serving(make_server({"rpc/app.py": ECHO})) as site, connect(site) as socket:
            assert await socket.result("app.echo", 1) == 1

``serving`` is here, ``connect`` in ``tests/wire.py``.
"""

from __future__ import annotations

import textwrap
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from rpc_sessions import Server
from tests.logs import Logs

SECRET = "a secret of the tests"
ECHO = """
    def actions(req, res, ss):
        async def echo(value):
            return value
        return [echo]
"""

Files = Mapping[str, str]
MakeServer = Callable[..., Server]


def write_app(root: Path, files: Files) -> Path:
    """Write files by their path below root: ``{"rpc/app.py": "...", "middleware/guard.py": "..."}``."""
    root.mkdir(parents=True, exist_ok=True)
    for name, source in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
    return root


@pytest.fixture
def make_server(tmp_path: Path, logs: Logs) -> MakeServer:
    """``make_server(files, **options)``: a Server on an application folder, with options and a secret set."""

    def make(files: Files, **options: object) -> Server:
        ss = Server(write_app(tmp_path / "app", files))
        ss.session.options.secret = SECRET
        for name, value in options.items():
            setattr(ss.options, name, value)
        return ss

    return make


class Site(NamedTuple):
    """A server that is listening."""

    ss: Server
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}/rpc"


@asynccontextmanager
async def serving(ss: Server) -> AsyncIterator[Site]:
    """Serve on a free port; stop at once, without a drain, at the end."""
    port = await ss.start(port=0)
    try:
        yield Site(ss, port)
    finally:
        await ss.stop(drain=0)
