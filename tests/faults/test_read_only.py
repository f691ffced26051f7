"""The folder of the file store, or of SQLite, may not be written: nothing is lost, and the log says what is wrong."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from rpc_sessions import Store
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.session.stores.sql import SQLStore
from tests.apps import MakeServer, serving
from tests.faults.ways import everywhere, refused, refused_everywhere
from tests.http.browser import Browser
from tests.logs import Logs
from tests.session.steps import look, over_http, over_socket, put, session_server

NOBODY = 65534


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not below tmp_path, where nobody but this user may look."""
    with tempfile.TemporaryDirectory(prefix="rpc_sessions_") as name:
        os.chmod(name, 0o755)
        yield Path(name)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """What is in the folder can be read and not be written: by this process, too, which may be root's."""
    paths = [folder, *folder.iterdir()]
    modes = [path.stat().st_mode for path in paths]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)  # root may write anywhere
    try:
        yield
    finally:
        os.seteuid(before)
        for path, mode in zip(paths, modes, strict=True):
            path.chmod(mode)


@pytest.mark.parametrize("kind", ["file", "sqlite"])
@pytest.mark.gen_test
async def test_it(kind: str, make_server: MakeServer, folder: Path, logs: Logs) -> None:
    store: Store = FileStore(folder) if kind == "file" else SQLStore(f"sqlite+aiosqlite:///{folder}/sessions.db")
    before = (None, {"cart": {"tea": 2}})
    async with serving(session_server(make_server, store)) as site:
        browser, newcomer = Browser(site), Browser(site)
        await over_http(browser, put(cart={"tea": 2}))
        async with browser.socket() as socket:
            with read_only(folder):
                await store.close()  # as after a restart: SQLite has its file open
                await refused_everywhere(browser, socket, put(n=1))
                await refused(partial(over_http, newcomer), put(n=1))
                assert newcomer.cookie == ""
                if kind == "file":
                    assert await everywhere(browser, socket, look) == [before] * 3
            assert await everywhere(browser, socket, look) == [before] * 3
            await over_socket(socket, site.ss, put(n=1))
    assert len(logs.take("Permission denied")) == 4
    logs.take("503 (GET|POST)")
