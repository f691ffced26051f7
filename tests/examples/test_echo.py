"""examples/01_echo"""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.examples.conftest import StartExample
from tests.examples.visitor import CallFailed, Visitor
from tests.processes import REPOSITORY
from tests.requirements import needs_npm

JS = """
import WebSocket from "ws";
import { connect } from %s;
const ss = connect(process.argv[2], { WebSocket });
console.log(await ss.rpc("app.echo", "hello"), await ss.rpc("app.add", 1, 2));
ss.close();
"""


def test_echo_over_websocket_and_http(start_example: StartExample) -> None:
    visitor = Visitor(start_example("01_echo").url)
    with visitor.websocket() as socket:
        assert socket.rpc("app.echo", "hello") == "hello"
        assert socket.rpc("app.add", 1, 2) == 3
        with pytest.raises(CallFailed) as failure:
            socket.rpc("app.add", "1")
        assert failure.value.code == -32602
    assert visitor.rpc("app.echo", "hello") == "hello"
    assert visitor.cookie == ""  # nothing here uses a session


def test_echo_from_the_js_client(start_example: StartExample) -> None:
    npm = needs_npm("ws")
    server = start_example("01_echo")
    client = json.dumps((REPOSITORY / "rpc_sessions/client/index.js").as_uri())
    # From stdin, so that node looks for "ws" in the folder it runs in.
    command = ["node", "--input-type=module", "-", server.url]
    done = subprocess.run(command, input=JS % client, cwd=npm, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("hello 3\n", "")


@pytest.mark.parametrize("folder", sorted(path.name for path in (REPOSITORY / "examples").glob("*/")))
def test_each_example_says_how_to_run_it(folder: str) -> None:
    app = (REPOSITORY / "examples" / folder / "app.py").read_text()
    assert f"\n    python examples/{folder}/app.py\n" in app.split('"""')[1]
