"""rpc-sessions sessions list"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.apps import write_app
from tests.cli.command import DAY, CommandLine

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
# What must not reach a terminal: escapes of 7 and of 8 bits, controls, and marks that turn or break a line.
NASTY = "\x1b[31mred\x1b]0;title\x07\x9b2J\r\n\t\x08\x7f\u202eabc\u2066\u2028\u200b\x00end"
HARMLESS = re.compile(r"[\n -~]|[^\x00-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069]")


def harmless(text: str) -> bool:
    return all(HARMLESS.fullmatch(char) for char in text)


def test_a_table_of_the_sessions_the_last_used_first(cli: CommandLine) -> None:
    old = cli.put({}, "bob", unused=3 * DAY, age=40 * DAY, ip="192.0.2.7", agent="curl/8.5")
    new = cli.put({"cart": 1}, "ada", unused=300, age=6000)
    middle = cli.put({}, unused=600)
    cli.put({}, "gone", lives=-5)
    done = cli("sessions", "list")
    assert (done.code, done.err) == (0, "")
    assert [re.split(r" {2,}", line) for line in done.lines] == [
        ["KEY", "USER", "CREATED", "LAST SEEN", "EXPIRES", "CLIENT"],
        [new[:12], "ada", "100 min ago", "5 min ago", "in 30 d", "-"],
        [middle[:12], "-", "10 min ago", "10 min ago", "in 30 d", "-"],
        [old[:12], "bob", "40 d ago", "3 d ago", "in 27 d", "192.0.2.7 curl/8.5"],
    ]


def test_no_sessions_are_no_rows(cli: CommandLine) -> None:
    cli.put(lives=-5)
    done = cli("sessions", "list")
    assert (done.code, len(done.lines), done.err) == (0, 1, "")
    assert cli("sessions", "list", "--json") == (0, "", "")


def test_of_one_user(cli: CommandLine) -> None:
    keys = {cli.put({}, "ada"), cli.put({}, "ada")}
    cli.put({}, "adam")
    assert {each["key"] for each in cli("sessions", "list", "--user", "ada", "--json").json} == keys
    assert len(cli("sessions", "list", "--user", "nobody").lines) == 1


def test_json_has_it_all(cli: CommandLine) -> None:
    now = datetime.now(UTC)
    key = cli.put({"secret": 1}, "Zoë 🙂", age=DAY, ip="::1", agent=CHROME)
    done = cli("sessions", "list", "--json")
    assert done.out.isascii()
    (found,) = done.json
    times = {name: datetime.fromisoformat(found.pop(name)) for name in ("created", "seen", "expires")}
    assert found == {"key": key, "user_id": "Zoë 🙂", "ip": "::1", "agent": CHROME}
    for name, off in {"created": -1, "seen": 0, "expires": 30}.items():
        assert abs(times[name] - now - timedelta(days=off)) < timedelta(minutes=1)


DAMAGED = """
    import asyncio, sqlite3
    from damaged import ss

    async def make():
        for user in ("ada", "eve"):
            await ss.session.create(user_id=user)
        await ss.session.store.current.close()

    asyncio.run(make())
    with sqlite3.connect("shared.db") as database:
        database.execute("UPDATE rpc_sessions SET data = 'oops' WHERE user_id = 'eve'")
        print(*database.execute("SELECT key FROM rpc_sessions WHERE user_id = 'eve'").fetchone(), end="")
"""


def test_a_damaged_session_hides_no_others(cli: CommandLine) -> None:
    use = 'ss.session.store.use("sql", url="sqlite+aiosqlite:///shared.db")'
    app = f'from rpc_sessions import Server\nss = Server(".")\n{use}\n'
    write_app(cli.folder, {"damaged.py": app, "make.py": DAMAGED})
    key, said = cli.python("make.py"), "The stored session is corrupt: the row "
    listed = cli("sessions", "list", "--app=damaged", "--json")
    assert [each["user_id"] for each in listed.json] == ["ada"]
    assert (listed.code, listed.err.startswith(f"{said}{key}: ")) == (0, True)
    assert cli("sessions", "show", "--app=damaged", key).failure.startswith(f"{said}{key}: ")
    ended = cli("sessions", "end", "--app=damaged", "--all", "--yes")
    assert (ended.code, ended.out, ended.err.startswith(f"{said}{key}: ")) == (0, "Ended 1 session.\n", True)


def test_a_session_of_a_later_release_is_no_store_that_is_away(cli: CommandLine) -> None:
    (cli.folder / "sessions" / f"{cli.put()}.json").write_text('{"v": 2}')
    assert cli("sessions", "list").failure.startswith("The stored session is of a newer format: a session's file: ")


def test_limits(cli: CommandLine) -> None:
    keys = [cli.put({}, f"u{n}", unused=n * 60) for n in range(4)]
    done = cli("sessions", "list", "--limit", "2", "--json")
    assert [each["key"] for each in done.json] == keys[:2]
    assert done.err == "2 of 4 sessions: --limit 0 lists all\n"
    assert len(cli("sessions", "list", "--limit", "4").lines) == 5
    assert len(cli("sessions", "list", "--limit", "0").lines) == 5
    for wrong in ("-1", "x", ""):
        assert cli("sessions", "list", "--limit", wrong).code == 2


def test_a_table_ends_after_a_hundred_and_json_does_not(cli: CommandLine) -> None:
    for _ in range(103):
        cli.put()
    done = cli("sessions", "list")
    assert (len(done.lines), done.err) == (101, "100 of 103 sessions: --limit 0 lists all\n")
    assert len(cli("sessions", "list", "--json").lines) == 103


def test_nothing_nasty_reaches_the_terminal(cli: CommandLine) -> None:
    cli.put({"a": NASTY}, NASTY, agent=NASTY, ip=NASTY)
    for options in ([], ["--json"], ["--full"]):
        done = cli("sessions", "list", *options)
        assert done.code == 0
        assert harmless(done.out), options
        assert len(done.lines) == 2 - ("--json" in options)
    assert r"\x1b[31mred\x1b]0;title\x07\x9b2J" in cli("sessions", "list", "--full").out
    (found,) = cli("sessions", "list", "--json").json
    assert (found["user_id"], found["agent"]) == (NASTY, NASTY)


@pytest.mark.parametrize("columns", [250, 120, 80, 60, 40, 20, 5])
def test_a_row_is_a_line_of_the_terminal(cli: CommandLine, columns: int) -> None:
    for user in ("ada", "漢字" * 100, "x" * 255, NASTY * 5, "e\u0301" * 200, "z" + "\u0301" * 400, "🙂" * 50):
        cli.put({}, user, ip="2001:db8:85a3::8a2e:370:7334", agent=CHROME)
    lines = cli.terminal(columns, "sessions", "list").splitlines()
    assert len(lines) == 8
    for line in lines:
        assert seen_width(line) <= columns
        assert harmless(line)


def test_columns_stay_in_line_beside_wide_letters(cli: CommandLine) -> None:
    for user in ("ada", "漢字の名前", "Zoe\u0308", "ｆｕｌｌ"):
        cli.put({}, user, ip="192.0.2.7", unused=600)
    lines = cli.terminal(120, "sessions", "list").splitlines()
    assert len({seen_width(line.partition("10 min")[0]) for line in lines[1:]}) == 1
    assert len({seen_width(line.partition("192.0.2.7")[0]) for line in lines[1:]}) == 1


def test_a_narrow_terminal_shows_what_matters_most(cli: CommandLine) -> None:
    key = cli.put({}, "ada", ip="192.0.2.7", agent=CHROME)
    for columns, titles in ((80, 6), (50, 5), (45, 4), (24, 2)):
        title, row = cli.terminal(columns, "sessions", "list").splitlines()
        assert len(re.split(r" {2,}", title)) == titles
        assert row.startswith(f"{key[:12]}  ada")
    assert cli.terminal(8, "sessions", "list").splitlines()[1] == key[:7] + "…"


def test_whole_keys(cli: CommandLine) -> None:
    key = cli.put({}, "x" * 100)
    assert cli("sessions", "list", "--full").lines[1].startswith(f"{key}  {'x' * 100}  ")


def test_a_terminal_without_unicode(cli: CommandLine) -> None:
    cli.put({}, "漢字" * 30)
    done = cli("sessions", "list", PYTHONIOENCODING="latin-1")
    assert (done.code, done.err) == (0, "")
    assert r"\u6f22\u5b57" in done.out


def seen_width(line: str) -> int:
    """The columns that a terminal uses: counted here by the blocks of Unicode that occur in these tests."""
    wide = re.compile(r"[\u3000-\u9fff\uff01-\uff60\U0001f300-\U0001faff]")
    return sum(2 if wide.match(char) else 0 if char in "\u0301\u0308" else 1 for char in line)
