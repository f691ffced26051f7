"""What docs/sharing-with-express.md says is true: its programs run together, its names and numbers are the code's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from websockets import ConnectionClosed

from rpc_sessions import Server, Session
from rpc_sessions.session.stores import file_express, mongodb_express, redis_express
from tests.apps import MakeServer, serving
from tests.conftest import StartProcess
from tests.examples.visitor import CallFailed, Visitor
from tests.express.test_cookies import NEW, OLD, STEPS
from tests.http.browser import Browser
from tests.processes import REPOSITORY, find_free_port
from tests.requirements import NPM, needs, needs_npm
from tests.session.steps import over_http, session_server
from tests.stores.servers import redis_server
from tests.test_readme import blocks

DOCS = REPOSITORY / "docs"
PAGE = (DOCS / "sharing-with-express.md").read_text()
PACKAGES = {"MongoDB": "connect-mongo", "Redis": "connect-redis", "files": "session-file-store"}


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def prose(heading: str) -> str:
    """A section, however its lines are broken."""
    return " ".join(section(heading).split())


def programs(store: str) -> dict[str, str]:
    """The page's files by their name, for one of the stores: a block's first line says which it is."""
    found: dict[str, str] = {}
    for block in blocks(PAGE, "python") + blocks(PAGE, "js"):
        first, rest = block.split("\n", 1)
        name, _, which = first.strip("#/ ").partition(", with ")
        if which.startswith(store) or not which:
            found[name] = rest
    begin, main, end = found["app.py"].partition("\nif __name__ ==")
    return {**found, "app.py": begin + found.pop("in app.py") + main + end}


def write(folder: Path, files: Mapping[str, str], places: Mapping[str, str]) -> None:
    """Write the files, with other places than those they name."""
    for name, text in files.items():
        for said, real in places.items():
            text = text.replace(said, real)
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def start_both(folder: Path, start: StartProcess, store: str, places: Mapping[str, str]) -> tuple[Visitor, Visitor]:
    """Start both sides as the page has them. A visitor of ours, and one of Express."""
    (folder / "node_modules").symlink_to(needs_npm(PACKAGES[store]) / "node_modules")
    port, express_port = find_free_port(), find_free_port()
    write(folder, programs(store), {**places, "3000": str(port), "3001": str(express_port)})
    express = Visitor(start([needs("node"), "express.mjs"], express_port, cwd=folder).url)
    return Visitor(start(["app.py"], port, cwd=folder).url), express


def run_together(folder: Path, start: StartProcess, store: str, places: Mapping[str, str]) -> None:
    """Log in, fill the cart and log out."""
    ours, express = start_both(folder, start, store, places)
    assert express.post("/login", {"name": "ada"}).headers["Location"] == "/me"
    ours.cookie = express.cookie
    assert ours.get("/me").json == express.get("/me").json == {"user": "ada", "cart": {}}
    with ours.websocket() as socket:
        assert socket.rpc("cart.add", "apple") == {"apple": 1}
        assert express.post("/cart/apple").json == {"apple": 2}
        assert ours.get("/me").json == express.get("/me").json == {"user": "ada", "cart": {"apple": 2}}
        assert express.post("/logout").status == 303
        with pytest.raises((CallFailed, ConnectionClosed)):
            socket.rpc("cart.add", "apple")
    assert ours.get("/me").json == express.get("/me").json == {"user": None, "cart": {}}


def test_the_programs_on_mongodb(
    tmp_path: Path, start_process: StartProcess, mongo_uri: str, mongo_database: str
) -> None:
    places = {"mongodb://localhost:27017": mongo_uri, '"app"': f'"{mongo_database}"'}
    run_together(tmp_path, start_process, "MongoDB", places)


def test_the_programs_on_redis(tmp_path: Path, start_process: StartProcess) -> None:
    with redis_server() as redis:
        run_together(tmp_path, start_process, "Redis", {"redis://localhost:6379": redis.url})


def test_the_programs_on_files(tmp_path: Path, start_process: StartProcess) -> None:
    run_together(tmp_path, start_process, "files", {})


def test_behind_https_express_keeps_the_cookie_of_our_sessions_secure(
    tmp_path: Path, start_process: StartProcess
) -> None:
    (line,) = re.findall(r"`(app\.set\(\"trust proxy\", \"loopback\"\))`", PAGE)
    ours, express = start_both(
        tmp_path, start_process, "files", {"const app = express();": f"const app = express(); {line};"}
    )
    ours.rpc("cart.add", "apple")
    express.cookie = ours.cookie
    reply = express.request("POST", "/cart/pear", headers={"X-Forwarded-Proto": "https"})
    assert reply.json == {"apple": 1, "pear": 1}
    attributes = reply.headers["Set-Cookie"].split("; ")[1:]
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} < set(attributes)


def test_the_packages_to_install_are_those_of_the_tests() -> None:
    tested = json.loads((NPM / "package.json").read_text())["dependencies"]
    named = {name for line in re.findall(r"npm install ([a-z -]+)", PAGE) for name in line.split()}
    assert named == {
        "express",
        "express-session",
        "connect-mongo",
        "mongodb",
        "connect-redis",
        "redis",
        "session-file-store",
    }
    assert named <= tested.keys()
    (line,) = re.findall(r"^Tested with (.*)\.$", PAGE, re.MULTILINE)
    said = dict(re.findall(r"([a-zA-Z-]+) ([\d.]+)", line.lower()))
    assert said.keys() == {"express", "express-session", *PACKAGES.values()}
    assert all(tested[name].startswith(f"{version}.") for name, version in said.items())


def test_the_options_it_sets_exist(tmp_path: Path) -> None:
    lines = re.findall(r"`(ss\.options\.\w+ = .*?)`", PAGE)
    assert len(lines) == 2
    ss = Server(tmp_path)
    for line in lines:
        exec(line, {"ss": ss})
    (attributes,) = re.findall(r"`ss\.session\.options\.cookie` has (.*?)\)", prose("The cookie"))
    assert all(hasattr(ss.session.options.cookie, name) for name in re.findall(r"`(\w+)`", attributes))


@pytest.mark.gen_test
async def test_the_names_it_says_are_refused(make_server: MakeServer, tmp_path: Path) -> None:
    names = re.findall(r"`(\w+)`", section("Names and values that are refused"))
    refused = [name for name in names if name not in ("set_user_id", "channel")]
    assert {"cookie", "resetMaxAge", "userId", "__lastAccess"} < set(refused)
    ss = session_server(make_server)
    ss.session.store.use("file", path=tmp_path / "sessions", layout="express")

    async def try_all(session: Session) -> list[str]:
        for name in refused:
            session[name] = 1
            with pytest.raises(ValueError, match=name):
                await session.save()
            del session[name]
        return list(session)

    async with serving(ss) as site:
        assert await over_http(Browser(site), try_all) == []


def test_the_lifetimes_of_the_stores_are_those_of_the_layouts() -> None:
    spans = {"two weeks": 14 * 86_400, "a day": 86_400, "an hour": 3_600}
    said = dict(re.findall(r"(two weeks|a day|an hour) in ([\w-]+)", prose("Lifetimes")))
    layouts = {"connect-mongo": mongodb_express, "connect-redis": redis_express, "session-file-store": file_express}
    assert {name: spans[span] for span, name in said.items()} == {name: each.TTL for name, each in layouts.items()}


def test_the_steps_of_a_new_secret_are_those_that_are_tested() -> None:
    said = re.findall(r"^\d\. `(\[.*?\])`", section("Changing the secret"), re.MULTILINE)
    assert [json.loads(step) for step in said] == [
        [{OLD: "old", NEW: "new"}[secret] for secret in late] for _, late in STEPS
    ]


@pytest.mark.parametrize(
    ("package", "file", "words"),
    [
        ("connect-mongo", "dist/index.mjs", "Unable to find the session to touch"),
        ("session-file-store", "lib/session-file-helpers.js", "will retry, error on last attempt: "),
    ],
)
def test_the_messages_of_express_are_as_it_says(package: str, file: str, words: str) -> None:
    assert words in section("When it does not work")
    assert words in (needs_npm(package) / "node_modules" / package / file).read_text()


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)", PAGE)
    assert links
    assert not [link for link in links if "://" not in link and not (DOCS / link).exists()]
