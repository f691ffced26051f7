"""rpc-sessions sessions end, and gc"""

from __future__ import annotations

import pytest

from rpc_sessions.testing import a_key
from tests.cli.command import CommandLine
from tests.conftest import StartProcess
from tests.examples.visitor import Visitor
from tests.processes import find_free_port


def test_by_key(cli: CommandLine) -> None:
    first, second, third = cli.put(), cli.put(), cli.put()
    assert cli("sessions", "end", first) == (0, "Ended 1 session.\n", "")
    assert cli("sessions", "end", second[:12]) == (0, "Ended 1 session.\n", "")
    assert cli.stored() == {third}
    assert cli("sessions", "end", first).failure == f"there is no session {first}"


def test_several_are_asked_for(cli: CommandLine) -> None:
    keys = [cli.put() for _ in range(3)]
    asked = cli("sessions", "end", *keys[:2])
    assert (asked.code, asked.out) == (1, "")
    assert asked.err.startswith("End 2 sessions? [y/N]: ")
    assert cli("sessions", "end", *keys[:2], stdin="n\n").code == 1
    assert cli.stored() == set(keys)
    assert cli("sessions", "end", *keys[:2], stdin="y\n").out == "Ended 2 sessions.\n"
    assert cli.stored() == {keys[2]}


def test_a_key_given_twice_is_one(cli: CommandLine) -> None:
    key = cli.put()
    assert cli("sessions", "end", key, key[:12], key[:20]).out == "Ended 1 session.\n"


def test_one_wrong_key_and_none_is_ended(cli: CommandLine) -> None:
    keys = {cli.put(), cli.put()}
    assert cli("sessions", "end", *keys, a_key(), "--yes").failure.startswith("there is no session")
    assert cli("sessions", "end", *keys, "zz", "--yes").failure.startswith("there is no session")
    assert cli.stored() == keys


@pytest.mark.parametrize("options", [["--user", "ada"], ["--user", "ada", "--all"]])
def test_all_of_a_user(cli: CommandLine, options: list[str]) -> None:
    others = {cli.put({}, "adam"), cli.put()}
    for _ in range(3):
        cli.put({}, "ada")
    asked = cli("sessions", "end", *options, stdin="\n")
    assert (asked.code, asked.err[:39]) == (1, "End 3 sessions of ada? [y/N]: Aborted!\n")
    assert cli("sessions", "end", *options, "--yes") == (0, "Ended 3 sessions.\n", "")
    assert cli.stored() == others
    assert cli("sessions", "end", *options) == (0, "Ended 0 sessions.\n", "")


def test_the_only_one_of_a_user_is_ended_at_once(cli: CommandLine) -> None:
    cli.put({}, "ada")
    assert cli("sessions", "end", "--user", "ada").out == "Ended 1 session.\n"


def test_a_question_holds_nothing_nasty(cli: CommandLine) -> None:
    for _ in range(2):
        cli.put({}, "\x1b[31m\u202e")
    assert cli("sessions", "end", "--user", "\x1b[31m\u202e").err.startswith(r"End 2 sessions of \x1b[31m\u202e? [y/N]")


def test_all_there_are(cli: CommandLine) -> None:
    cli.put({}, "ada")
    cli.put()
    assert cli("sessions", "end", "--all").code == 1
    assert len(cli.stored()) == 2
    assert cli("sessions", "end", "--all", "-y").out == "Ended 2 sessions.\n"
    assert cli.stored() == set()


@pytest.mark.parametrize("options", [[], ["--yes"], ["abc", "--user", "ada"], ["abc", "--all"], ["--user"], ["--al"]])
def test_what_to_end_is_said_in_one_way(cli: CommandLine, options: list[str]) -> None:
    key = cli.put({}, "ada")
    done = cli("sessions", "end", *options)
    assert (done.code, done.out) == (2, "")
    assert cli.stored() == {key}


def test_an_empty_key_ends_nothing(cli: CommandLine) -> None:
    key = cli.put()
    assert cli("sessions", "end", "", "--yes").failure == "there is no session whose key begins with ''"
    assert cli.stored() == {key}


def test_a_visitor_is_logged_out(cli: CommandLine, start_process: StartProcess) -> None:
    port = find_free_port()
    server = start_process(["app.py"], port, env={"PORT": str(port)}, cwd=cli.folder)
    visitor, other = Visitor(server.url), Visitor(server.url)
    visitor.request("POST", "/enter/ada", headers={"User-Agent": "test/1.0", "Origin": server.url})
    other.post("/enter/bob")
    (found,) = cli("sessions", "list", "--user", "ada", "--json").json
    assert (found["ip"], found["agent"]) == ("127.0.0.1", "test/1.0")
    assert cli("sessions", "end", "--user", "ada").out == "Ended 1 session.\n"
    assert visitor.get("/me").json == {"user": None}
    assert other.get("/me").json == {"user": "bob"}


def test_gc(cli: CommandLine) -> None:
    live = {cli.put(), cli.put({}, "ada")}
    for _ in range(3):
        cli.put(lives=-5)
    assert len(cli.stored()) == 5
    assert cli("sessions", "gc") == (0, "Removed 3 expired records.\n", "")
    assert cli.stored() == live
    assert cli("sessions", "gc").out == "Removed 0 expired records.\n"
    cli.put(lives=-5)
    assert cli("sessions", "gc").out == "Removed 1 expired record.\n"
