"""rpc-sessions sessions show"""

from __future__ import annotations

import json

import pytest

from tests.apps import write_app
from tests.cli.command import DAY, CommandLine
from tests.cli.test_list import NASTY, harmless

VALUES: dict[str, object] = {"name": "Zoë 漢字 🙂", "cart": {"apple": 3, "pear": [1.5, None, True]}, "": {}}


def test_the_facts_and_the_values(cli: CommandLine) -> None:
    key = cli.put(VALUES, "ada", age=2 * DAY, unused=600, ip="192.0.2.7", agent="curl/8.5")
    done = cli("sessions", "show", key)
    assert (done.code, done.err) == (0, "")
    assert done.lines[:2] == [f"key        {key}", "user       ada"]
    for line, name, ago in zip(
        done.lines[2:5], ("created", "last seen", "expires"), ("2 d ago", "10 min ago", "in 30 d"), strict=True
    ):
        assert line.startswith(f"{name:<11}20")
        assert line.endswith(f" UTC ({ago})")
    assert done.lines[5:9] == ["client     192.0.2.7 curl/8.5", "{", '  "name": "Zoë 漢字 🙂",', '  "cart": {']
    assert json.loads("".join(done.lines[6:])) == VALUES


def test_json(cli: CommandLine) -> None:
    key = cli.put(VALUES, "ada", ip="192.0.2.7")
    done = cli("sessions", "show", key, "--json")
    assert done.out.isascii()
    (found,) = done.json
    (listed,) = cli("sessions", "list", "--json").json
    assert found == listed | {"values": VALUES}


def test_the_beginning_of_a_key_will_do(cli: CommandLine) -> None:
    keys = [cli.put({"n": n}) for n in range(20)]
    begin = keys[0][:10]
    assert cli("sessions", "show", begin, "--json").json[0]["values"] == {"n": 0}
    both = next(first[0] for first in keys if sum(other[0] == first[0] for other in keys) > 1)
    assert cli("sessions", "show", both).failure.endswith(f"sessions begin with '{both}': give more of it")


@pytest.mark.parametrize("key", ["zz", "", "0" * 64, "0123456789", "../../etc/passwd", "\x1b[31m", "a\udcffb"])
def test_what_is_no_key(cli: CommandLine, key: str) -> None:
    cli.put({})
    said = cli("sessions", "show", key).failure
    assert said.startswith("there is no session ")
    assert harmless(said)


EXPRESS = """
    from rpc_sessions import Server
    ss = Server(".")
    ss.session.store.use("file", path="express", layout="express")
"""
MAKE = """
    import asyncio
    from shares import ss
    print(asyncio.run(ss.session.create({"n": 1}, user_id="ada")).id, end="")
"""


def test_in_a_store_with_plain_ids_the_key_is_the_id(cli: CommandLine) -> None:
    write_app(cli.folder, {"shares.py": EXPRESS, "make.py": MAKE})
    ids = [cli.python("make.py") for _ in range(2)]
    for text in (ids[0], ids[0][:20]):
        (found,) = cli("sessions", "show", "--app", "shares", "--json", "--", text).json
        assert (found["key"], found["user_id"], found["values"]) == (ids[0], "ada", {"n": 1})
    assert cli("sessions", "show", "--app", "shares", "nothing").failure.startswith("there is no session whose key")
    assert cli("sessions", "end", "--app", "shares", "--", ids[0]).out == "Ended 1 session.\n"
    assert [each["key"] for each in cli("sessions", "list", "--app", "shares", "--json").json] == [ids[1]]


def test_of_an_expired_session_nothing_is_shown(cli: CommandLine) -> None:
    key = cli.put({"secret": 1}, lives=-1)
    assert cli("sessions", "show", key).failure == f"there is no session {key}"
    assert cli("sessions", "show", key[:12]).failure.startswith("there is no session whose key begins")


def test_nothing_nasty_reaches_the_terminal(cli: CommandLine) -> None:
    values: dict[str, object] = {NASTY: [NASTY, "\U000e0041", "\x85"]}
    key = cli.put(values, NASTY, agent=NASTY)
    done = cli("sessions", "show", key)
    assert harmless(done.out)
    assert "\U000e0041" not in done.out
    assert json.loads(done.out[done.out.index("\n{") :]) == values
    assert harmless(cli("sessions", "show", key, "--json").out)


def test_one_key_and_no_more(cli: CommandLine) -> None:
    assert cli("sessions", "show").code == 2
    assert cli("sessions", "show", "a", "b").code == 2
