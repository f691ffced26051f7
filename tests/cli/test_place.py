"""Where the sessions lie: a file or folder that is not there is said, and none is made by looking for it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.apps import write_app
from tests.cli.command import CommandLine

APP = """
    from rpc_sessions import Server
    ss = Server(".")
    ss.session.store.use({store})
"""
ENGINE = """
    from sqlalchemy.ext.asyncio import create_async_engine
    from rpc_sessions import Server
    ss = Server(".")
    ss.session.store.use("sql", engine={engine})
"""
MAKE = """
    import asyncio
    from shares import ss

    async def make():
        await ss.session.create({}, user_id="ada")
        await ss.session.store.current.close()

    asyncio.run(make())
"""
MADE = 'create_async_engine("sqlite+aiosqlite:///sessions.db")'
URI = "sqlite+aiosqlite:///file:my%2520sessions.db?mode=rwc&uri=true"  # of a URI, so what is quoted is so twice
# The application; what is missing, and its relative path.
APPS = {
    "sql": (APP.format(store='"sql", url="sqlite+aiosqlite:///sessions.db"'), "file", "sessions.db"),
    "uri": (APP.format(store=f'"sql", url="{URI}"'), "file", "my sessions.db"),
    "engine": (ENGINE.format(engine=MADE), "file", "sessions.db"),
    "function": (ENGINE.format(engine=f"lambda: {MADE}"), "file", "sessions.db"),
    "file": (APP.format(store='"file", path="kept/sessions"'), "folder", "kept/sessions"),
    "express": (APP.format(store='"file", path="sessions", layout="express"'), "folder", "sessions"),
}
COMMANDS = (["list"], ["list", "--user=ada"], ["show", "a"], ["show", "a" * 64], ["end", "--user=ada"], ["gc"])


@pytest.fixture(params=APPS)
def place(request: pytest.FixtureRequest, cli: CommandLine) -> tuple[str, str]:
    """The file or folder in which the application ``shares`` keeps its one session: which it is, its relative path."""
    source, kind, path = APPS[request.param]
    write_app(cli.folder, {"shares.py": source, "make.py": MAKE})
    cli.python("make.py")
    return kind, path


def test_in_another_folder_nothing_is_found_and_nothing_made(
    cli: CommandLine, place: tuple[str, str], tmp_path: Path
) -> None:
    kind, path = place
    app = cli.folder / "shares.py"
    assert len(cli("sessions", "list", "--json", "--app", app).json) == 1
    cli.folder = write_app(tmp_path / "elsewhere", {})
    for command in COMMANDS:
        said = cli("sessions", *command, "--app", app).failure
        where = f"there is no {kind} {cli.folder / path} ({path} is relative to the current directory)"
        assert said == f"{app} has no sessions here: {where}"
    assert list(cli.folder.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_in_a_database_without_the_table_nothing_is_found_and_nothing_made(
    cli: CommandLine, tmp_path: Path, command: list[str]
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/others.db"
    write_app(cli.folder, {"shares.py": APP.format(store=f'"sql", url="{url}", table="kept"')})
    with closing(sqlite3.connect(tmp_path / "others.db")) as database:
        database.execute("CREATE TABLE others (a)")
        said = cli("sessions", *command, "--app=shares").failure
        assert said == "shares has no sessions here: there is no table kept in its database"
        assert [name for (name,) in database.execute("SELECT name FROM sqlite_master")] == ["others"]


def test_an_absolute_path_is_the_same_everywhere(cli: CommandLine, tmp_path: Path) -> None:
    write_app(cli.folder, {"shares.py": APP.format(store=f'"file", path="{tmp_path}/sessions"'), "make.py": MAKE})
    app = cli.folder / "shares.py"
    assert cli("sessions", "list", "--app=shares").failure.endswith(f": there is no folder {tmp_path}/sessions")
    cli.python("make.py")
    cli.folder = write_app(tmp_path / "elsewhere", {})
    assert cli("sessions", "list", "--json", "--app", app).json[0]["user_id"] == "ada"
