"""The wheel, as a user gets it: alone in a fresh environment, with the dependencies it declares."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.processes import REPOSITORY

pytestmark = pytest.mark.timeout(300)  # pip may have to download

PROBE = """
import importlib.metadata, pathlib, sys
import rpc_sessions
here = pathlib.Path(rpc_sessions.__file__).parent
assert here.is_relative_to(sys.prefix), here
assert (here / "client" / "index.js").is_file()
for name in rpc_sessions.__all__:
    getattr(rpc_sessions, name)
for store in importlib.metadata.entry_points(group="rpc_sessions.stores"):
    store.load()  # its driver is imported when it is used, not before
print(importlib.metadata.version("rpc-sessions"))
"""


def run(*command: str | Path, cwd: Path = REPOSITORY) -> str:
    # Without the variables that would let the fresh environment see this one.
    env = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, REPOSITORY)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_the_package_and_its_js_client(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names}
    assert top == {"rpc_sessions", f"rpc_sessions-{version()}.dist-info"}
    client = {name.removeprefix("rpc_sessions/client/") for name in names if "/client/" in name}
    assert {"index.js", "index.d.ts", "package.json", "README.md"} <= client
    assert not [name for name in client if "test" in name or "node_modules" in name]
    assert "rpc_sessions/py.typed" in names


def test_the_wheel_works_alone(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    run(python, "-m", "pip", "check")
    output = run(python, "-W", "error", "-c", PROBE, cwd=tmp_path)
    assert output.strip() == version()
    assert "my_db" in run(python.with_name("rpc-sessions"), "new", "store", "my_db", cwd=tmp_path)


def version() -> str:
    project: str = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    return project
