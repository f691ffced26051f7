"""A folder of the file store that can be neither made nor written is noticed at start, and by /readyz."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rpc_sessions import ConfigError
from rpc_sessions.session.stores.file import FileStore
from tests.apps import SECRET, MakeServer, serving, write_app
from tests.conftest import StartProcess
from tests.faults.test_read_only import folder, read_only
from tests.http.browser import Browser
from tests.logs import Logs
from tests.processes import find_free_port
from tests.session.steps import over_http, put, session_server

__all__ = ["folder"]  # a fixture
REFUSED = "the session store cannot be used: "
APP = f"""
    import sys
    from pathlib import Path
    from rpc_sessions import Server

    ss = Server(Path(__file__).parent)
    ss.session.options.secret = "{SECRET}"
    ss.session.store.use("file", path=sys.argv[1])

    @ss.http.route("/")
    async def home(req, res):
        return "home"

    ss.run(port=int(sys.argv[2]))
"""


def below_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file" / "deeper" / "sessions"


def a_file(tmp_path: Path) -> Path:
    (tmp_path / "sessions").touch()
    return tmp_path / "sessions"


@pytest.mark.parametrize("place", [below_a_file, a_file], ids=lambda place: place.__name__)
def test_a_program_says_which_folder_and_why(
    start_process: StartProcess, tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    app, path = write_app(tmp_path / "app", {"app.py": APP}), place(tmp_path)
    process = start_process([app / "app.py", path, str(find_free_port())])
    assert process.wait() == 1
    assert process.output == f"rpc_sessions: {REFUSED}[Errno 20] Not a directory: '{path}'\n"


@pytest.mark.parametrize("below", ["", "not/made"])
@pytest.mark.gen_test
async def test_one_that_may_not_be_written(make_server: MakeServer, folder: Path, below: str) -> None:
    path = folder / below
    ss = session_server(make_server, FileStore(path))
    ss.handlers()  # while the application's own files may be read
    with read_only(folder), pytest.raises(ConfigError) as caught:
        await ss.start(port=0)
    assert str(caught.value) == f"{REFUSED}[Errno 13] Permission denied: '{path}'"
    async with serving(ss) as site:  # once it may
        await over_http(Browser(site), put(n=1))


@pytest.mark.gen_test
async def test_nothing_is_made_or_left_before_the_first_session(make_server: MakeServer, folder: Path) -> None:
    async with serving(session_server(make_server, FileStore(folder / "not" / "made"))) as site:
        assert (await Browser(site).get("/readyz")).code == 200
        assert list(folder.iterdir()) == []  # noqa: ASYNC240 (nobody waits for this loop)


@pytest.mark.gen_test
async def test_readyz_notices_that_it_is_read_only(make_server: MakeServer, folder: Path, logs: Logs) -> None:
    async with serving(session_server(make_server, FileStore(folder))) as site:
        browser = Browser(site)
        await over_http(browser, put(n=1))
        for _ in range(2):
            assert (await browser.get("/readyz")).code == 200
            with read_only(folder):
                response = await browser.get("/readyz")
                assert (response.code, response.body) == (503, b'{"status":"session store unavailable"}')
        assert (await browser.get("/readyz")).code == 200
    assert len(logs.take("503 GET /readyz")) == 2
