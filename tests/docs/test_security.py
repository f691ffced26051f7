"""What docs/security.md says is true: its tests exist, its options and numbers are the code's, its programs run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rpc_sessions import Server, Session
from rpc_sessions.codec import MAX_DEPTH
from rpc_sessions.session import browsers, moved, options, ticket
from rpc_sessions.session.stores.memory import MemoryStore
from tests.conftest import StartProcess
from tests.examples.visitor import CallFailed, Reply, Visitor
from tests.processes import REPOSITORY, Process, find_free_port
from tests.test_readme import blocks

DOCS = REPOSITORY / "docs"
PAGE = (DOCS / "security.md").read_text()
PROSE = " ".join(re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL).split())
NAMED = re.findall(r"\[(tests/[\w/]+\.py)::(\w+)\]\(([^)]+)\)", PAGE)


def test_the_tests_it_names_are_there() -> None:
    assert len(NAMED) > 50
    assert [file for file, _, link in NAMED if link != f"../{file}"] == []
    assert PAGE.count("tests/") == 2 * len(NAMED), "a test that is named otherwise"
    files = sorted({file for file, _, _ in NAMED})
    collect = ["-m", "pytest", "--collect-only", "-q", "--no-header", "-p", "no:cacheprovider", *files]
    done = subprocess.run([sys.executable, *collect], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    collected = {line.partition("[")[0] for line in done.stdout.splitlines()}
    assert [f"{file}::{test}" for file, test, _ in NAMED if f"{file}::{test}" not in collected] == []


# -- names and numbers ---------------------------------------------------------------------------------


def test_the_options_it_names_exist(tmp_path: Path) -> None:
    ss = Server(tmp_path)
    places: dict[str, object] = {"ss.options": ss.options, "ss.session.options": ss.session.options}
    places |= dict.fromkeys(("ss.session.options.cookie", "cookie"), ss.session.options.cookie)
    names = re.findall(r"(?<![\w.])((?:ss\.(?:session\.)?options(?:\.cookie)?|cookie))\.(\w+)", PAGE)
    assert len(names) > 15
    assert [name for place, name in names if not hasattr(places[place], name)] == []
    for line in re.findall(r"`((?:ss\.|cookie\.)[\w.]+ = [^`]+)`", PAGE):
        exec(line, {"ss": ss, "cookie": ss.session.options.cookie})
    (attributes,) = re.findall(r"Yours, in `ss\.session\.options\.cookie`:(.*?)\*\*Expiry", PROSE)
    for name in re.findall(r"- `(\w+)[ `]", attributes):
        assert hasattr(ss.session.options.cookie, name)


def test_the_methods_it_names_exist(tmp_path: Path) -> None:
    names = re.findall(r"`(?:await )?(ss|req)\.session\.(?!options)(\w+)", PAGE)
    assert len(names) > 7
    for owner, name in names:
        assert hasattr(Server(tmp_path).session if owner == "ss" else Session, name)


def bytes_of(text: str) -> int:
    number, unit = text.split()
    return int(number) * {"KiB": 1024, "MiB": 1024**2}[unit]


def test_the_limits_are_those_of_the_code(tmp_path: Path) -> None:
    limits = Server(tmp_path).options
    sizes = {name: bytes_of(size) for name, size in re.findall(r"\(`(\w+)`, (\d+ [KM]iB)\)", PROSE)}
    assert sizes.keys() == {"message_limit", "body_limit", "send_queue"}
    counts = {name: float(number) for name, number in re.findall(r"`(\w+)` \((\d+)[ )]", PROSE)}
    assert counts.keys() == {"calls_in_flight", "batch_limit", "call_deadline"}
    for name, value in {**sizes, **counts}.items():
        assert getattr(limits, name) == value


def test_the_numbers_are_those_of_the_code(tmp_path: Path) -> None:
    said = {
        "{} more tickets for an id": browsers.MOST_RENEWALS,
        "good once, for {} seconds": ticket.LIFETIME,
        "The {} seconds after a renewal": moved.GRACE,
        "{} seconds at most, the old cookie": moved.GRACE,
        "One under {} characters is refused": options._SHORTEST_SECRET,
        "nesting ({})": MAX_DEPTH,
        "in the memory store ({:,}": (MemoryStore.__init__.__defaults__ or (0,))[0],
        "`ss.session.options.max_age` | {} days": options.SessionOptions().idle / 86_400,
    }
    for words, number in said.items():
        assert words.format(int(number)) in PROSE
    assert "`ss.session.options.absolute_max_age` | none" in PROSE
    assert options.SessionOptions().absolute_max_age is None


def test_links_lead_somewhere() -> None:
    headings = {name: _headings(name) for name in ("security.md", "sharing-with-express.md")}
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        path, _, anchor = link.partition("#")
        assert "://" in link or (DOCS / path).exists()
        assert not anchor or "://" in link or anchor in headings[path or "security.md"], link


def _headings(name: str) -> set[str]:
    found = re.findall(r"^#+ (.*)$", (DOCS / name).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in found}


def test_readme_leads_to_it() -> None:
    assert "(docs/security.md)" in (REPOSITORY / "README.md").read_text()


# -- the programs --------------------------------------------------------------------------------------


def write(folder: Path, **instead: str) -> int:
    """Write the page's files: a block's first line names its file. The port."""
    port = find_free_port()
    for block in blocks(PAGE, "python"):
        first, text = block.split("\n", 1)
        for said, real in {"3000": str(port), **instead}.items():
            text = text.replace(said, real)
        path = folder / first.removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return port


@pytest.fixture
def server(tmp_path: Path, start_process: StartProcess) -> Process:
    """The page's application. An id is renewed while there is a file ``renew`` in its folder."""
    renews = " > (-1 if Path('renew').exists() else every)"
    port = write(tmp_path, **{"import time\n": "import time\nfrom pathlib import Path\n", " > every": renews})
    env = {"SESSION_SECRET": "0123456789abcdef the-one-before-that", "RPC_SESSIONS_ENV": "production"}
    return start_process(["app.py"], port, cwd=tmp_path, env=env)


def logged_in(server: Process, agent: str = "") -> Visitor:
    visitor = Visitor(server.url)
    call(visitor, "login.log_in", "ada", "lovelace", agent=agent)
    return visitor


def call(visitor: Visitor, method: str, *params: object, agent: str = "") -> Reply:
    """A call over HTTP, as a browser that calls itself so."""
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    return visitor.request("POST", "/rpc", text, {"Content-Type": "application/json", "User-Agent": agent})


def test_the_cookie_is_as_the_short_list_says(server: Process) -> None:
    reply = call(Visitor(server.url), "login.log_in", "ada", "lovelace")
    name, attributes = reply.headers["Set-Cookie"].split("=")[0], reply.headers["Set-Cookie"].split("; ")[1:]
    assert name == "__Host-sid"
    assert attributes == ["Max-Age=1800", "Path=/", "HttpOnly", "Secure", "SameSite=Lax"]


def test_an_id_is_renewed_from_time_to_time(server: Process, tmp_path: Path) -> None:
    visitor = Visitor(server.url)
    with visitor.websocket() as socket, visitor.websocket() as tab:
        agent = socket.connection.request.headers["User-Agent"] if socket.connection.request else ""
        for method, params in (("login.log_in", ("ada", "lovelace")), ("account.who", ())):
            socket.rpc(method, *params)
        first = visitor.cookie
        assert socket.rpc("account.who") == "ada"
        assert visitor.cookie == first
        (tmp_path / "renew").touch()
        assert tab.rpc("account.who") == "ada"
        (tmp_path / "renew").unlink()
        assert visitor.cookie != first
        assert socket.rpc("account.who") == "ada"
        assert call(visitor, "account.who", agent=agent).json["result"] == "ada"
        assert call(Visitor(server.url, first), "account.who", agent=agent).json["error"]["code"] == -32001


def test_devices(server: Process) -> None:
    one, two, bob = logged_in(server), logged_in(server), Visitor(server.url)
    listed = one.rpc("account.devices")
    assert [device["ip"] for device in listed] == ["127.0.0.1"] * 2
    for stranger in (bob, one):
        with pytest.raises(CallFailed) as refused:
            stranger.rpc("account.end_device", "0" * 64)
        assert refused.value.code == -32001
    keys = {device["key"] for device in listed}
    assert two.rpc("account.password_changed") == 1
    with pytest.raises(CallFailed):
        one.rpc("account.who")
    (left,) = two.rpc("account.devices")
    assert left["key"] in keys or len(keys) == 2
    assert two.rpc("account.end_device", left["key"]) is True
    with pytest.raises(CallFailed):
        two.rpc("account.who")


def test_another_browser_ends_the_session(server: Process) -> None:
    ada = logged_in(server, agent="Firefox")
    assert call(ada, "account.who", agent="Firefox").json["result"] == "ada"
    thief = Visitor(server.url, ada.cookie)
    assert call(thief, "account.who", agent="curl").json["error"]["message"] == "log in again"
    assert call(ada, "account.who", agent="Firefox").json["error"]["code"] == -32001


def test_log_out(server: Process) -> None:
    ada = logged_in(server)
    copy = Visitor(server.url, ada.cookie)
    assert ada.rpc("account.log_out") is None
    for visitor in (ada, copy):
        with pytest.raises(CallFailed):
            visitor.rpc("account.who")


def test_passwords_cannot_be_tried_for_long(server: Process) -> None:
    eve = Visitor(server.url)
    codes = [call(eve, "login.log_in", "ada", f"password {number}").json["error"]["code"] for number in range(8)]
    assert codes == [-32001] * 5 + [-32004] * 3
    assert call(eve, "login.log_in", "ada", "lovelace").json["error"]["code"] == -32004


def test_log_ins_are_logged_without_the_id(server: Process) -> None:
    call(Visitor(server.url), "login.log_in", "eve\n", "guess")
    visitor = logged_in(server)
    assert r"log-in as 'eve\n' refused, from 127.0.0.1" in server.output
    assert re.search(r"log-in as 'ada', session [0-9a-f]{12}, from 127.0.0.1", server.output)
    assert visitor.cookie.split("=")[1][4:40] not in server.output
