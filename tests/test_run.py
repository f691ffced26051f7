"""``ss.run()``: what it cannot start with is a message and exit status 1; ``ss.start()`` raises it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rpc_sessions import ConfigError
from tests.apps import MakeServer, serving, write_app
from tests.conftest import StartProcess
from tests.processes import find_free_port

APP = """
    from pathlib import Path
    from rpc_sessions import Server

    ss = Server(Path(__file__).parent)
    ss.run({arguments})
"""
EMBEDS = """
    import asyncio
    from rpc_sessions import Server

    try:
        asyncio.run(Server(".").start(port={port}))
    except OSError as error:
        print("raised:", error)
"""
WRONG_ACTION = "def actions(req, res, ss):\n    req.use('sesion')\n    return []\n"


def said(start_process: StartProcess, folder: Path, arguments: str = "", **files: str) -> str:
    """The one thing that a program says which does not start."""
    write_app(folder, {"app.py": APP.format(arguments=arguments), **files})
    process = start_process(["app.py"], cwd=folder)
    assert process.wait() == 1
    assert process.output.startswith("rpc_sessions: ")
    assert "Traceback" not in process.output
    return process.output.removeprefix("rpc_sessions: ").rstrip()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ('processes="2"', "processes is a whole number from 1, not '2'"),
        ("processes=0", "processes is a whole number from 1, not 0"),
        ("processes=True", "processes is a whole number from 1, not True"),
        ('port="3000"', "port is a whole number from 0 to 65535, not '3000'"),
        ("port=65536", "port is a whole number from 0 to 65535, not 65536"),
        ("host=80", 'host is a name or an address, as "127.0.0.1", not 80'),
        ('host="192.0.2.1", port=3999', "cannot listen on 192.0.2.1:3999 (host and port of ss.run): "),
    ],
)
def test_a_wrong_argument_is_named(start_process: StartProcess, tmp_path: Path, arguments: str, sentence: str) -> None:
    text = said(start_process, tmp_path, arguments)
    assert text.startswith(sentence)
    assert len(text.splitlines()) == 1


def test_what_is_wrong_with_the_application_is_said_by_file_and_line(
    start_process: StartProcess, tmp_path: Path
) -> None:
    lines = said(start_process, tmp_path, **{"rpc/one.py": WRONG_ACTION, "rpc/two.py": WRONG_ACTION}).splitlines()
    assert [f"{name}.py:2: " in line for name, line in zip(("one", "two"), lines, strict=True)] == [True, True]
    assert all("sesion" in line for line in lines)


@pytest.mark.gen_test
async def test_a_port_that_is_taken(start_process: StartProcess, tmp_path: Path, make_server: MakeServer) -> None:
    async with serving(make_server({})) as site:
        expected = f"cannot listen on 127.0.0.1:{site.port} (host and port of ss.run): Address already in use"
        assert said(start_process, tmp_path, f"port={site.port}") == expected
        write_app(tmp_path, {"embeds.py": EMBEDS.format(port=site.port)})
        program = start_process(["embeds.py"], cwd=tmp_path)
        assert program.wait() == 0, program.output
        assert "raised: " in program.output


@pytest.mark.gen_test
async def test_in_a_program_of_ones_own_it_is_raised(make_server: MakeServer) -> None:
    with pytest.raises(ConfigError, match="port is a whole number"):
        await make_server({}).start(port="3000")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ConfigError, match="sesion"):
        await make_server({"rpc/one.py": WRONG_ACTION}).start(port=0)


def test_the_port_is_free_for_the_next_try(start_process: StartProcess, tmp_path: Path) -> None:
    port = find_free_port()
    assert "sesion" in said(start_process, tmp_path, f"port={port}", **{"rpc/one.py": WRONG_ACTION})
    (tmp_path / "rpc" / "one.py").write_text("def actions(req, res, ss):\n    return []\n")
    assert start_process([sys.executable, "app.py"], port, cwd=tmp_path).popen.poll() is None
