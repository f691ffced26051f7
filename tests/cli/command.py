"""The command ``rpc-sessions`` as a user runs it: in a folder with an application that keeps sessions in files."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rpc_sessions.session.reserved import CLIENT
from rpc_sessions.session.stores.file import FileStore
from rpc_sessions.testing import a_key, a_record
from tests.cli.terminal import in_terminal

COMMAND = Path(sys.executable).with_name("rpc-sessions")
DAY = 24 * 3600
APP = """
    from pathlib import Path
    from rpc_sessions import Server

    here = Path(__file__).parent
    ss = Server(here)
    ss.session.options.secret = "a secret of the tests"
    ss.session.store.use("file", path=here / "sessions")

    @ss.http.route("/enter/{name}", methods=["POST"])
    async def enter(req, res):
        await req.session.set_user_id(req.params["name"])

    @ss.http.route("/me", use=["session"])
    async def me(req, res):
        return {"user": req.session.user_id}

    if __name__ == "__main__":
        import os
        ss.run(port=int(os.environ["PORT"]))
"""


class Done(NamedTuple):
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def failure(self) -> str:
        """The one line that says why it failed."""
        assert (self.code, self.out) == (1, ""), self
        (line,) = self.err.splitlines()
        assert line.startswith("Error: "), line
        return line.removeprefix("Error: ")

    @property
    def json(self) -> list[Any]:  # Any: whatever it printed
        """One object a line."""
        return [json.loads(line) for line in self.lines]


class CommandLine:
    """``cli("sessions", "list")`` in ``folder``; ``cli.put(...)`` stores a session of its application."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        hidden = ("RPC_SESSIONS_APP", "COLUMNS", "LINES", "PYTHONPATH")
        self.env = {name: value for name, value in os.environ.items() if name not in hidden}

    def __call__(self, *arguments: str | Path, stdin: str = "", **env: str) -> Done:
        done = subprocess.run(
            [COMMAND, *arguments],
            cwd=self.folder,
            env={**self.env, "RPC_SESSIONS_APP": "app", **env},
            input=stdin.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def python(self, program: str) -> str:
        """What a program in the folder prints."""
        command = [sys.executable, program]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=True).stdout

    def terminal(self, columns: int, *arguments: str) -> str:
        """What a terminal of so many columns is sent."""
        return in_terminal(columns, [COMMAND, *arguments], self.folder, {**self.env, "RPC_SESSIONS_APP": "app"})

    def put(
        self,
        values: dict[str, object] | None = None,
        user: str | None = None,
        *,
        unused: float = 0.0,
        age: float = 0.0,
        ip: str = "",
        agent: str = "",
        lives: float = 30 * DAY,
    ) -> str:
        """Store a session that was used ``unused`` seconds ago and made ``age`` seconds ago. Its key."""
        client = {CLIENT: {"ip": ip, "agent": agent}} if ip or agent else {}
        record, now = a_record(json.dumps({**(values or {}), **client}), user_id=user), time.time()
        record = replace(record, created=now - max(age, unused), expires=now - unused + lives)
        key = a_key()
        asyncio.run(FileStore(self.folder / "sessions").insert(key, record))
        return key

    def stored(self) -> set[str]:
        """The keys of the sessions that are there."""
        return {path.stem for path in (self.folder / "sessions").glob("*.json")}
