"""--app: how the application is found, and what is said where it is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.apps import write_app
from tests.cli.command import CommandLine
from tests.processes import REPOSITORY, find_free_port

STORE = 'ss.session.store.use("file", path={!r})'
USES_STORE = """
    from rpc_sessions import Server
    ss = Server(".")
    ss.session.store.use({store})
"""


@pytest.fixture
def key(cli: CommandLine) -> str:
    """The one session there is. The applications of ``write`` use its store."""
    key = cli.put({}, "ada")
    store = STORE.format(str(cli.folder / "sessions"))
    write_app(
        cli.folder,
        {
            "package/__init__.py": "",
            "package/web/__init__.py": "",
            "package/web/app.py": "from .. import made\nfrom package.made import ss",
            "package/made.py": f'from rpc_sessions import Server\nss = Server(".")\n{store}\ndef make(): return ss',
            "scripts/my-app.py": "from helper import ss as server",
            "scripts/helper.py": "from package.made import ss",
            "factory.py": "from package.made import ss as made\nasync def other(): ...\ndef make_server(): return made",
            "code.py": "from package.made import ss",
            "loud.py": "print('hello')\nfrom package.made import ss",
            "holder.py": "import package.made",
        },
    )
    return key


@pytest.mark.parametrize(
    "app",
    [
        "app",
        "app:ss",
        "app.py",
        "./app.py:ss",
        "package.web.app",
        "package/web/app.py:ss",
        "package/made.py:make",
        "package.made:make",
        "scripts/my-app.py:server",
        "factory",
        "factory.py:make_server",
        "code.py",  # the name of a module of Python's own
        "holder:package.made.ss",
    ],
)
def test_ways_to_name_it(cli: CommandLine, key: str, app: str) -> None:
    done = cli("sessions", "list", "--app", app, "--json")
    assert (done.code, done.err) == (0, "")
    assert [each["key"] for each in done.json] == [key]


def test_from_another_folder(cli: CommandLine, key: str, tmp_path: Path) -> None:
    cli.folder = write_app(tmp_path / "elsewhere", {})
    for app in (tmp_path / "project" / "app.py", "../project/package/web/app.py:ss"):
        assert cli("sessions", "list", "--app", app, "--json").json[0]["key"] == key


def test_the_environment_names_it_and_the_option_wins(cli: CommandLine, key: str) -> None:
    assert cli("sessions", "list", "--json", RPC_SESSIONS_APP="package.made:ss").json[0]["key"] == key
    assert cli("sessions", "list", "--app", "app", RPC_SESSIONS_APP="nowhere").code == 0


def test_without_either_it_is_server_app(cli: CommandLine, key: str) -> None:
    write_app(cli.folder, {"server/__init__.py": "", "server/app.py": "from package.made import ss"})
    assert cli("sessions", "list", "--json", RPC_SESSIONS_APP="").json[0]["key"] == key


def test_the_application_of_this_repository(cli: CommandLine, mongo_uri: str, mongo_database: str) -> None:
    cli.folder = REPOSITORY
    uri = f"{mongo_uri.rstrip('/')}/{mongo_database}"
    assert cli("sessions", "list", "--json", RPC_SESSIONS_APP="", MONGODB_URI=uri) == (0, "", "")


def test_what_it_prints_is_no_output(cli: CommandLine, key: str) -> None:
    done = cli("sessions", "list", "--app", "loud", "--json")
    assert ([each["key"] for each in done.json], done.err) == ([key], "hello\n")


@pytest.mark.parametrize(
    "app", ["", ":", ":ss", "app:", "app:1", "app:ss()", "a b", "pack/age", "..app", "app.", "\x1b"]
)
def test_what_is_no_name_is_wrong_usage(cli: CommandLine, app: str) -> None:
    done = cli("sessions", "list", "--app", app)
    assert (done.code, done.out) == (2, "")
    assert f"{app!r} is not like server.app:ss or server/app.py:ss" in done.err


@pytest.mark.parametrize(
    ("app", "source", "says"),
    [
        ("missing", "", "there is no module missing in "),
        ("broken.missing", "", "there is no module broken.missing in "),
        ("missing.py", "", "there is no file "),
        ("broken", "def f(:", r"broken cannot be imported: \S+/broken.py:1: SyntaxError"),
        ("broken", "\nimport missing_driver", r"cannot be imported: \S+/broken.py:2: ModuleNotFoundError: .*missing_d"),
        ("broken.py", "\n\n1 / 0", r"broken.py cannot be imported: \S+/broken.py:3: ZeroDivisionError"),
        ("broken", "raise ValueError('a\\nb\\x1b[31m')", r"broken.py:1: ValueError: a; b\\x1b\[31m$"),
        ("broken", "import sys; sys.exit('bye')", "broken ends when it is imported: bye"),
        ("broken", "x = 1", "broken has no ss and no make_server; name its Server, as --app broken:NAME"),
        ("broken:it", "x = 1", "broken has no it; name its Server"),
        ("broken:x", "x = 1", "broken:x is of type int, not a Server"),
        ("broken:X", "class X: pass", "broken:X is a class, not a Server"),
        ("broken", "def make_server(): return 1", "broken is of type int, not a Server"),
        ("broken", "\ndef make_server(): 1 / 0", r"broken failed: \S+/broken.py:2: ZeroDivisionError"),
        ("broken:make", "def make(x): ...", "broken:make failed: TypeError: make.. missing"),
        ("broken", "import tornado.web\nss = tornado.web.Application()", "broken is of type Application, not a Server"),
        ("broken", USES_STORE.format(store='"nothing"'), r"broken.py:4: ConfigError: unknown store 'nothing'"),
        (
            "broken",
            "from rpc_sessions import Server\nss = Server('.')",
            "sessions of broken are in its server's memory",
        ),
        ("tornado.py", "x = 1", "tornado.py cannot be imported: the name tornado is taken by "),
    ],
)
def test_one_line_says_why_it_cannot_be_used(cli: CommandLine, app: str, source: str, says: str) -> None:
    if source:
        path = app.partition(":")[0].removesuffix(".py")
        write_app(cli.folder, {f"{path}.py": source})
    assert re.search(says, cli("sessions", "list", "--app", app).failure)


def test_every_command_says_it(cli: CommandLine) -> None:
    for command in (["list"], ["show", "a"], ["end", "a"], ["gc"]):
        assert cli("sessions", *command, "--app", "missing").failure.startswith("there is no module missing in ")


def test_a_package_that_fails_is_not_called_missing(cli: CommandLine) -> None:
    write_app(cli.folder, {"package/__init__.py": "\nimport missing_driver", "package/app.py": "ss = 1"})
    for app in ("package.app", "package/app.py"):
        said = cli("sessions", "list", "--app", app).failure
        assert "package/__init__.py:2: ModuleNotFoundError: No module named 'missing_driver'" in said


@pytest.mark.parametrize("processes", [1, 2])
def test_nothing_is_served(cli: CommandLine, processes: int) -> None:
    run = f"ss.run(port={find_free_port()}, processes={processes})"
    source = "from rpc_sessions import Server\nss = Server('.')\n"
    write_app(cli.folder, {"serves.py": f"{source}try:\n    {run}\nexcept Exception:\n    pass\nprint('served')"})
    said = cli("sessions", "list", "--app", "serves").failure
    assert said == 'serves serves when it is imported: put run() under if __name__ == "__main__":'


@pytest.mark.parametrize(
    ("store", "name"),
    [
        ('"redis", url="redis://127.0.0.1:{}/0"', "redis"),
        ('"mongodb", uri="mongodb://127.0.0.1:{}/?serverSelectionTimeoutMS=100", database="a"', "mongodb"),
        ('"sql", url="postgresql+asyncpg://ada:lovelace@127.0.0.1:{}/a"', "sql"),
    ],
)
def test_a_store_that_is_away_is_named_with_the_cause(cli: CommandLine, store: str, name: str) -> None:
    write_app(cli.folder, {"away.py": USES_STORE.format(store=store.format(find_free_port()))})
    for command in (["list"], ["show", "a" * 64], ["end", "--user", "ada"]):
        said = cli("sessions", *command, "--app", "away").failure
        assert said.startswith(f"the {name} store is unavailable: ")
        assert "127.0.0.1" in said
        assert "lovelace" not in said


BARE = """
    from rpc_sessions import Server
    from rpc_sessions.session.stores.memory import MemoryStore

    class Bare:  # it has no find_by_user and no keys
        def __init__(self):
            self.inner = MemoryStore()
        def __getattr__(self, name):
            if name in ("find_by_user", "keys"):
                raise AttributeError(name)
            return getattr(self.inner, name)

    ss = Server(".")
    ss.session.store.use(Bare())
"""


def test_a_store_that_cannot_list_says_so(cli: CommandLine) -> None:
    write_app(cli.folder, {"bare.py": BARE})
    for command in (["list"], ["list", "--user", "ada"], ["show", "abc"], ["end", "--all"], ["end", "--user", "ada"]):
        assert "cannot list" in cli("sessions", *command, "--app", "bare").failure
    assert cli("sessions", "show", "a" * 64, "--app", "bare").failure == f"there is no session {'a' * 64}"
    assert cli("sessions", "gc", "--app", "bare").code == 0


def test_a_store_that_breaks_its_promises_is_one_line_too(cli: CommandLine) -> None:
    breaks = "\n    async def gc(now): raise RuntimeError('a\\nb')\n    ss.session.store.current.gc = gc\n"
    write_app(cli.folder, {"bare.py": BARE + breaks})
    assert cli("sessions", "gc", "--app", "bare").failure == "RuntimeError: a; b"
