"""What a test needs. Where it is missing the test is skipped and says what to install; in CI it fails."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

NPM = Path(__file__).parent / "npm"  # package.json of what comes from npm: JSON-RPC clients, Express

# The name a test uses: the commands that will do, and how to get one.
PARTS = {
    "chromium": (("chromium", "chromium-browser", "google-chrome"), "apt-get install chromium"),
    "redis": (("redis-server",), "apt-get install redis-server"),
    "postgresql": (("postgres",), "apt-get install postgresql"),
    "mariadb": (("mariadbd",), "apt-get install mariadb-server"),
    "faketime": (("faketime",), "apt-get install faketime"),
    "openssl": (("openssl",), "apt-get install openssl"),
    "node": (("node",), "https://nodejs.org/en/download, 20 or newer"),
}

# Where Debian keeps servers that are not on everybody's PATH.
ASIDE = ["/usr/sbin", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)]


def missing(what: str, how_to_install: str) -> NoReturn:
    """Skip this test; in CI, where nothing may be missing, fail it."""
    sentence = f"{what} is missing. Install it: {how_to_install}"
    if os.environ.get("CI") == "true":
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def needs(part: str) -> str:
    """The path of the program: ``needs("chromium")``."""
    commands, how_to_install = PARTS[part]
    places = os.pathsep.join([os.environ.get("PATH", ""), *ASIDE])
    for command in commands:
        if path := shutil.which(command, path=places):
            return path
    missing(part, how_to_install)


def needs_module(name: str, how_to_install: str) -> ModuleType:
    """The imported module: ``needs_module("motor", 'pip install "rpc-sessions[motor]"')``."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(f"the Python package {name}", how_to_install)


def needs_npm(package: str) -> Path:
    """The folder to run node in, so that it finds this package of ``tests/npm/package.json``."""
    needs("node")
    if not (NPM / "node_modules" / package).is_dir():
        missing(f"the npm package {package}", "scripts/node_packages.sh tests/npm")
    return NPM
