"""A folder with an application, and the command in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps import write_app
from tests.cli.command import APP, COMMAND, CommandLine
from tests.requirements import missing


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    if not COMMAND.exists():
        missing("the command rpc-sessions", 'pip install -e ".[dev]"')
    return CommandLine(write_app(tmp_path / "project", {"app.py": APP}))
