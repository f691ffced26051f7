"""rpc-sessions sql ddl"""

from __future__ import annotations

import sqlite3
import sys

import pytest
from click.testing import CliRunner

from rpc_sessions.cli.main import commands
from tests.cli.command import CommandLine


def test_sqlite_takes_it(cli: CommandLine) -> None:
    done = cli("sql", "ddl")
    assert (done.code, done.err) == (0, "")
    database = sqlite3.connect(":memory:")
    database.executescript(done.out)
    names = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    assert names >= {"rpc_sessions", "rpc_sessions_expires", "rpc_sessions_user_id"}
    database.close()


@pytest.mark.parametrize(
    ("dialect", "holds"),
    [
        ("sqlite", "created DOUBLE NOT NULL"),
        ("postgresql", "created DOUBLE PRECISION NOT NULL"),
        ("mysql", "data LONGTEXT NOT NULL"),
        ("mariadb", "data LONGTEXT NOT NULL"),
    ],
)
def test_each_dialect(dialect: str, holds: str) -> None:
    done = CliRunner().invoke(commands, ["sql", "ddl", "--dialect", dialect, "--table", "visits"])
    assert done.exit_code == 0
    assert done.stdout.startswith("CREATE TABLE visits (")
    assert holds in done.stdout
    assert done.stdout.count(";\n") == 3


def test_an_odd_name_is_quoted(cli: CommandLine) -> None:
    name = 'a"; DROP TABLE b; --'
    database = sqlite3.connect(":memory:")
    database.executescript("CREATE TABLE b (c);" + cli("sql", "ddl", "--table", name).out)
    assert {each for (each,) in database.execute("SELECT name FROM sqlite_master")} >= {name, "b"}
    database.close()


@pytest.mark.parametrize(
    "options", [["--dialect", "oracle"], ["--dialect"], ["--table", ""], ["--table", "a\x1bb"], ["x"]]
)
def test_wrong_usage(options: list[str]) -> None:
    done = CliRunner().invoke(commands, ["sql", "ddl", *options])
    assert (done.exit_code, done.stdout) == (2, "")


def test_without_sqlalchemy_the_pip_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in {"sqlalchemy", *sys.modules} if name.split(".")[0] == "sqlalchemy"]:
        monkeypatch.setitem(sys.modules, name, None)
    done = CliRunner().invoke(commands, ["sql", "ddl"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == 'Error: the package sqlalchemy is missing: pip install "rpc-sessions[sql]"\n'
