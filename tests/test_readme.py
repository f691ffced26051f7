"""What README.md says is true: its programs run, its tables are those of the code, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from rpc_sessions import Session, errors
from rpc_sessions.options import Options
from rpc_sessions.session.stores.memory import MemoryStore
from rpc_sessions.transport.handler import STATUS
from tests.conftest import StartProcess
from tests.examples.visitor import CallFailed, Visitor
from tests.processes import REPOSITORY, Process, find_free_port
from tests.requirements import needs, needs_npm

README = (REPOSITORY / "README.md").read_text()
CLIENT = REPOSITORY / "rpc_sessions" / "client"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


APP = next(block for block in blocks(README, "python") if block.startswith("# app.py"))


def files() -> dict[str, str]:
    """The files that the blocks are, by the name in their first line; those "in app.py, above ..." are put there."""
    found: dict[str, str] = {}
    for block in blocks(README, "python") + blocks(README, "html"):
        first, rest = block.split("\n", 1)
        name = first.strip("#<!-> ")
        if above := name.partition("in app.py, above ")[2]:
            begin, main, end = found["app.py"].partition(f"\n{above}")
            assert main
            found["app.py"] = begin + rest + main + end
        else:
            found[name] = rest
    return found


class Programs:
    """README's files in a folder, started as a user would; port 3000 becomes a free one."""

    def __init__(self, folder: Path, start: StartProcess) -> None:
        self._folder, self._start = folder, start

    def run(self, program: str, **more: str) -> Process:
        port = find_free_port()
        for name, text in {**files(), **more}.items():
            path = self._folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.replace("3000", str(port)))
        return self._start([program], port, cwd=self._folder)


@pytest.fixture
def programs(tmp_path: Path, start_process: StartProcess) -> Programs:
    return Programs(tmp_path, start_process)


@pytest.fixture
def quick_start(programs: Programs) -> Process:
    """The quick start alone, on memory."""
    return programs.run("app.py", **{"app.py": APP})


# -- the programs -------------------------------------------------------------------------------------


def test_quick_start(quick_start: Process) -> None:
    visitor = Visitor(quick_start.url)
    with visitor.websocket() as socket:
        assert socket.rpc("app.get_session") == {}
        assert visitor.get("/hello").body == "Hello stranger, visit 1"
        assert socket.rpc("app.set_name", "Ada") == "Hello Ada"
        assert visitor.get("/hello").body == "Hello Ada, visit 2"
        assert socket.rpc("app.get_session") == {"name": "Ada", "visits": 2}
        with pytest.raises(CallFailed) as failure:
            socket.rpc("app.set_name", 1)
        assert failure.value.code == -32602
    assert visitor.get("/").body == files()["static/index.html"]


def test_quick_start_in_a_browser(quick_start: Process) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=needs("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(quick_start.url)
        expect(page.locator("#out")).to_have_text("{}")
        page.fill("#who", "Ada")
        page.click("#save")
        expect(page.locator("#out")).to_have_text('{"name":"Ada"}')
        page.click("a")
        expect(page.locator("body")).to_have_text("Hello Ada, visit 1")
        browser.close()


def test_the_curl_line(quick_start: Process) -> None:
    (line,) = re.findall(r"^    (curl .*\\\n.*)$", README, re.MULTILINE)
    url, *options = shlex.split(line.replace("\\\n", ""))[1:]
    given = dict(zip(options[::2], options[1::2], strict=True))
    header, _, value = given.pop("-H").partition(": ")
    body = given.pop("-d")
    assert (url, given) == ("http://127.0.0.1:3000/rpc", {"-b": "jar", "-c": "jar"})
    reply = Visitor(quick_start.url).request("POST", "/rpc", body, {header: value})
    assert reply.body == '{"jsonrpc":"2.0","result":"Hello Ada","id":1}'


def test_all_of_app_py_together_on_mongodb(programs: Programs, mongo_uri: str, mongo_database: str) -> None:
    app = files()["app.py"].replace("mongodb://localhost:27017", mongo_uri)
    app = app.replace('database="app"', f'database="{mongo_database}"')
    server = programs.run("app.py", **{"app.py": app})
    visitor = Visitor(server.url)
    assert visitor.get("/account").status == 401
    assert "with the mongodb store" in server.output
    entered = visitor.post("/enter/Ada")
    assert (entered.status, entered.headers["Location"]) == (303, "/account")
    assert visitor.get("/account").json == {"user": "Ada"}
    assert visitor.get("/hello").body == "Hello stranger, visit 1"
    assert visitor.get("/old/hello").headers["Location"] == "/hello"
    assert server.stop() == 0
    again = Visitor(programs.run("app.py", **{"app.py": app}).url, visitor.cookie)
    assert again.get("/account").json == {"user": "Ada"}


def test_in_an_existing_tornado_application(programs: Programs) -> None:
    server = programs.run("tornado_app.py")
    visitor = Visitor(server.url)
    assert visitor.get("/account").status == 401
    assert visitor.rpc("app.set_name", "Ada") == "Hello Ada"
    with visitor.websocket() as socket:
        assert socket.rpc("app.get_session") == {"name": "Ada"}
    assert server.stop() == 0
    assert "Traceback" not in server.output


def test_node_as_the_clients_readme_says(start_process: StartProcess, tmp_path: Path) -> None:
    ws = needs_npm("ws") / "node_modules" / "ws"
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "ws").symlink_to(ws)
    (modules / "rpc-sessions").symlink_to(CLIENT)
    port = find_free_port()
    start_process(["examples/01_echo/app.py"], port, env={"PORT": str(port)})
    (program,) = (block for block in blocks((CLIENT / "README.md").read_text(), "js") if "ss.close()" in block)
    (tmp_path / "client.mjs").write_text(program.replace("3000", str(port)))
    done = subprocess.run(["node", "client.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("hello\n", "")


# -- what it says of calls in the process and of deployment -------------------------------------------


CALLS = """
import asyncio
from app import ss
async def main():
    session = await ss.session.create({"name": "Ada"}, user_id="ada")
    print(session.user_id, await ss.rpc("app.get_session", session=session))
asyncio.run(main())
"""


def test_calls_in_the_process(programs: Programs, tmp_path: Path, start_process: StartProcess) -> None:
    programs.run("app.py", **{"app.py": APP, "job.py": CALLS})
    job = start_process(["job.py"], cwd=tmp_path)
    assert job.wait() == 0, job.output
    assert "ada {'name': 'Ada'}\n" in job.output


FORKED = """
from pathlib import Path
from rpc_sessions import Server
ss = Server(Path(__file__).parent)
%s
ss.run(port=3000, processes=2)
"""
WHO = """
import asyncio, os
def actions(req, res, ss):
    async def pid(wait: float):
        await asyncio.sleep(wait)
        return os.getpid()
    return {"pid": pid}
"""


def test_several_processes_drain_on_sigterm(programs: Programs) -> None:
    app = FORKED % 'ss.session.options.secret = "0123456789abcdef"'
    server = programs.run("app.py", **{"app.py": app, "rpc/who.py": WHO})
    with Visitor(server.url).websocket() as socket:
        assert socket.rpc("who.pid", 0) != server.pid
        socket.send("who.pid", 0.5)
        socket.send("who.pid", 0)
        pid = socket.receive()  # the other call is under way, too
        server.popen.terminate()
        assert socket.receive() == pid
    assert server.wait() == 0
    assert server.output.count("exited normally") == 2


def test_several_processes_and_production_need_a_secret(
    programs: Programs, tmp_path: Path, start_process: StartProcess
) -> None:
    with pytest.raises(RuntimeError, match=r"rpc_sessions: set ss\.session\.options\.secret"):
        programs.run("app.py", **{"app.py": FORKED % ""})
    job = start_process(["app.py"], cwd=tmp_path, env={"RPC_SESSIONS_ENV": "production"})
    assert job.wait() == 1
    assert job.output.startswith("rpc_sessions: set ss.session.options.secret")


@pytest.mark.parametrize(("trusted", "status"), [(True, 200), (False, 403)])
def test_behind_an_https_proxy(programs: Programs, trusted: bool, status: int) -> None:
    (option,) = re.findall(r"`(ss\.options\.trusted_proxies = .*?)`", README)
    app = APP.replace("\nif __name__", f"{option if trusted else ''}\nif __name__")
    visitor = Visitor(programs.run("app.py", **{"app.py": app}).url)
    headers = {
        "Host": "app.example",
        "Origin": "https://app.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "192.0.2.1",
        "Content-Type": "application/json",
    }
    body = '{"jsonrpc": "2.0", "id": 1, "method": "app.set_name", "params": ["Ada"]}'
    reply = visitor.request("POST", "/rpc", body, headers)
    assert reply.status == status
    assert ("; Secure" in reply.headers.get("Set-Cookie", "")) == trusted


# -- the tables ---------------------------------------------------------------------------------------


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose header row begins so."""
    lines = README.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    table = lines[begin + 2 :]
    end = next(i for i, line in enumerate(table) if not line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[:end]]


def plain(default: str) -> object:
    """ "64 KiB" as 65536, "30 s" as 30.0, "none" as [], "off" as False."""
    units = {"KiB": 1024, "MiB": 1024**2, "s": 1.0}
    number, _, unit = default.partition(" ")
    if number.isdigit():
        return int(number) * units[unit] if unit else int(number)
    return {"none": [], "off": False, '`"auto"`': "auto"}[default]


def test_the_defaults_are_those_of_the_code() -> None:
    said = {
        name: plain(default)
        for names, defaults, _ in rows("`ss.options.`")
        for name, default in zip(re.findall(r"`(\w+)`", names), defaults.split(", "), strict=True)
    }
    real = {field.name: getattr(Options(), field.name) for field in fields(Options)}
    assert said == real


def test_the_error_codes_are_those_of_the_code() -> None:
    table = rows("code")
    said = {int(code) for codes, _, _ in table for code in codes.split()}
    assert said == {kind.CODE for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "CODE")}
    statuses = {int(code): int(status) for codes, _, status in table if status for code in codes.split()}
    assert statuses == STATUS | {-32603: 500}


def test_the_members_of_a_session_exist() -> None:
    members = {name for cells in rows("member") for name in re.findall(r"`(?:await )?\.(\w+)", cells[0])}
    assert members >= {"save", "load", "mutate", "destroy", "store"}
    assert not [name for name in members if not hasattr(Session, name)]


def test_the_memory_store_holds_as_many_as_it_says() -> None:
    (said,) = re.findall(r"`max_sessions` \(([\d,]+)\)", README)
    assert MemoryStore.__init__.__defaults__ == (int(said.replace(",", "")),)


# -- the rest -----------------------------------------------------------------------------------------


def test_the_two_commands_are_in_the_makefile() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for command in ("run", "test"):
        assert f"\n    make {command} " in README
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)
    assert "make test" in (REPOSITORY / ".ci" / "run").read_text()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", (REPOSITORY / name).read_text())
    local = [link.split("#")[0] for link in links if "://" not in link]
    assert not [link for link in local if not (REPOSITORY / link).exists()]
