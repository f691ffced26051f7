"""rpc-sessions new store: a package that passes the contract as soon as its methods are filled in."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.cli.command import CommandLine
from tests.processes import REPOSITORY

# The body of each method, on a dictionary.
BODIES = {
    "load": """
        record = self.records.get(key)
        return record if record and record.expires > time.time() else None
    """,
    "insert": """
        if await self.load(key):
            return False
        self.records[key] = record
        return True
    """,
    "replace": """
        found = await self.load(key)
        if found is None or found.token != expected.token:
            return False
        self.records[key] = record
        return True
    """,
    "touch": """
        found = await self.load(key)
        if found:
            self.records[key] = dataclasses.replace(found, expires=expires)
        return found is not None
    """,
    "delete": """
        found = await self.load(key)
        self.records.pop(key, None)
        return found is not None
    """,
    "gc": """
        expired = [key for key, record in self.records.items() if record.expires <= now]
        for key in expired:
            del self.records[key]
        return len(expired)
    """,
    "close": """
        self.records.clear()
    """,
}
USES = """
from rpc_sessions import Server
ss = Server(".")
{line}
print(type(ss.session.store.current).__name__, end="")
"""


@pytest.fixture
def package(cli: CommandLine) -> Path:
    """A package that was just made."""
    assert cli("new", "store", "my_db").code == 0
    return cli.folder / "rpc-sessions-my_db"


def fill_in(package: Path, bodies: Mapping[str, str]) -> None:
    """Put a body in the place of each NotImplementedError."""
    path = package / "rpc_sessions_my_db" / "store.py"
    text = path.read_text().replace(
        "from rpc_sessions import", "import dataclasses\nimport time\n\nfrom rpc_sessions import"
    )
    text = text.replace('may follow."""\n', 'may follow."""\n        self.records: dict[str, Record] = {}\n')
    for name, body in bodies.items():
        text = text.replace(
            f'        raise NotImplementedError("{name}")\n', body.strip("\n ").join(["        ", "\n"])
        )
    path.write_text(text)


def run(cwd: Path, *arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def counts(output: str) -> dict[str, int]:
    """ "20 passed, 2 failed" as a dict."""
    return {what: int(number) for number, what in re.findall(r"(\d+) (passed|failed|error)", output.splitlines()[-1])}


def test_what_it_makes_and_says(cli: CommandLine) -> None:
    done = cli("new", "store", "my_db", "--into", "some where/deep")
    folder = cli.folder / "some where" / "deep" / "rpc-sessions-my_db"
    assert (done.code, done.err) == (0, "")
    assert "    cd 'some where/deep/rpc-sessions-my_db'\n" in done.out
    assert "rpc_sessions_my_db/store.py" in done.out
    commands = [line.strip() for line in done.lines if line.startswith("    ")]
    assert commands[1:] == ["pip install -e '.[dev]'", "pytest", 'ss.session.store.use("my_db")']
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} == {
        "pyproject.toml",
        "rpc_sessions_my_db/__init__.py",
        "rpc_sessions_my_db/store.py",
        "tests/test_store.py",
    }
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"] == {"rpc_sessions.stores": {"my_db": "rpc_sessions_my_db:MyDbStore"}}
    ours = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == [f"rpc-sessions>={ours['version']}"]
    assert project["requires-python"] == ours["requires-python"]


def test_unfilled_it_fails_every_test(package: Path) -> None:
    code, output = run(package, "-m", "pytest", "-q", "--tb=line")
    assert code == 1
    assert counts(output).keys() == {"failed"}
    assert "NotImplementedError: load" in output


def test_filled_in_it_passes_the_contract(package: Path) -> None:
    fill_in(package, BODIES)
    code, output = run(package, "-m", "pytest", "-q")
    assert code == 0, output
    assert counts(output).keys() == {"passed"}


@pytest.mark.parametrize(
    ("method", "wrong"),
    [("replace", BODIES["insert"].replace("await self.load(key)", "False")), ("gc", "return 0.5"), ("close", "self.x")],
)
def test_filled_in_wrongly_it_fails(package: Path, method: str, wrong: str) -> None:
    fill_in(package, BODIES | {method: wrong})
    assert counts(run(package, "-m", "pytest", "-q")[1])["failed"] >= 1


@pytest.mark.parametrize(
    "check",
    [
        ["ruff", "check", "--isolated", "--select=E,F,W,I,B,UP,ANN,RUF"],
        ["ruff", "format", "--isolated", "--check"],
        ["mypy", "--strict", f"--cache-dir={REPOSITORY / '.mypy_cache'}"],
    ],
    ids=" ".join,
)
def test_its_code_is_clean(package: Path, check: list[str]) -> None:
    code, output = run(package, "-m", *check, ".")
    assert code == 0, output


def test_built_and_installed_it_has_the_name_that_was_said(cli: CommandLine, tmp_path: Path) -> None:
    line = cli("new", "store", "my_db").lines[-1].strip()
    package = cli.folder / "rpc-sessions-my_db"
    code, output = run(package, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path)
    assert code == 0, output
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with ZipFile(wheel) as archive:
        archive.extractall(site)  # what an installation of pure Python does
    assert {path.name.split("-")[0] for path in site.iterdir()} == {"rpc_sessions_my_db"}
    (tmp_path / "uses.py").write_text(f"import sys\nsys.path.insert(0, {str(site)!r})\n{USES.format(line=line)}")
    assert run(tmp_path, "uses.py") == (0, "MyDbStore")


def test_nothing_is_overwritten(cli: CommandLine, package: Path) -> None:
    (package / "pyproject.toml").write_text("mine")
    said = cli("new", "store", "my_db").failure
    assert said == "rpc-sessions-my_db exists: nothing was written"
    assert (package / "pyproject.toml").read_text() == "mine"
    (cli.folder / "rpc-sessions-other").write_text("a file")
    assert cli("new", "store", "other").code == 1
    (cli.folder / "rpc-sessions-link").symlink_to(cli.folder / "nowhere")
    assert cli("new", "store", "link").code == 1
    assert not (cli.folder / "nowhere").exists()


NO_NAMES = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "a/b",
    "/tmp/x",
    "a\\b",
    "a b",
    "A",
    "myDb",
    "1a",
    "_a",
    "a_",
    "a__b",
    "a-b",
    "é",
]


@pytest.mark.parametrize("name", [*NO_NAMES, "a\n", "a" * 41, "$name", "a\x1b[2J"])
def test_what_is_no_name(cli: CommandLine, name: str) -> None:
    before = sorted(cli.folder.parent.rglob("*"))
    done = cli("new", "store", name)
    assert (done.code, done.out) == (2, "")
    assert "\x1b" not in done.err
    assert sorted(cli.folder.parent.rglob("*")) == before


@pytest.mark.parametrize("name", ["memory", "mongodb", "redis", "file", "sql"])
def test_the_name_of_a_store_that_is_there(cli: CommandLine, name: str) -> None:
    assert cli("new", "store", name).failure == f"there is a store {name!r}: choose another name"


def test_where_nothing_can_be_written(cli: CommandLine) -> None:
    assert cli("new", "store", "my_db", "--into", "/proc/nowhere").failure == "/proc/nowhere: No such file or directory"
    assert cli("new", "store", "my_db", "--into", "app.py").code == 2
    assert cli("new", "store", "my_db", "--into", "app.py/x").failure == "app.py/x: Not a directory"
    assert cli("new", "store").code == 2
