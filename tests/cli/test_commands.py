"""What is the same for all commands: help, usage, and where the output goes."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, CommandLine
from tests.processes import REPOSITORY

COMMANDS = ["", "sessions", "sessions list", "sessions show", "sessions end", "sessions gc"]
COMMANDS += ["sql", "sql ddl", "new", "new store"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal_and_cuts_no_sentence(cli: CommandLine, command: str) -> None:
    done = cli(*command.split(), "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: rpc-sessions {command}".rstrip())
    assert max(map(len, done.lines)) <= 80
    assert "..." not in done.out.replace("ARGS]...", "").replace("[KEY]...", "")
    assert cli(*command.split(), "-h") == done


def test_the_commands_of_the_readme_exist(cli: CommandLine) -> None:
    lines = re.findall(r"^    rpc-sessions (.*?) +# ", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    assert {" ".join(line.split()[:2]) for line in lines} >= {command for command in COMMANDS if " " in command}
    for line in lines:
        assert cli(*line.split(), "--help").code == 0, line


def test_version(cli: CommandLine) -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert cli("--version").out == f"rpc-sessions, version {version}\n"


@pytest.mark.parametrize(
    "command", ["", "sessions", "lists", "sessions lists", "sessions list x", "sessions list --colour", "sql", "new"]
)
def test_wrong_usage_is_2(cli: CommandLine, command: str) -> None:
    done = cli(*command.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: rpc-sessions")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_pipe_that_is_closed_early_is_no_failure_to_report(cli: CommandLine, options: list[str]) -> None:
    for n in range(40):  # more than a pipe holds
        cli.put({}, f"u{n}", agent="a" * 10_000)
    command: list[str | Path] = [COMMAND, "sessions", "list", "--app=app", *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=cli.folder, env=cli.env, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout
        assert process.stderr
        assert len(process.stdout.readline()) > 40
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 1


def test_a_full_disk_is_one_line(cli: CommandLine) -> None:
    cli.put()
    command: list[str | Path] = [COMMAND, "sessions", "list", "--app=app"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=cli.folder, env=cli.env, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"Error: OSError: [Errno 28] No space left on device\n")
