"""The commands on each store that processes share: all of them list, and close without a word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.apps import write_app
from tests.cli.command import CommandLine
from tests.stores.servers import redis_server

APP = """
    from rpc_sessions import Server
    ss = Server(".")
    ss.session.store.use({options})
"""
MAKE = """
    import asyncio
    from shares import ss

    async def make():
        for user in ("ada", "ada", None):
            await ss.session.create({"for": user}, user_id=user)
        await ss.session.store.current.close()

    asyncio.run(make())
"""


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with redis_server() as server:
        yield server.url


@pytest.fixture(params=["file", "redis", "mongodb", "sql"])
def options(request: pytest.FixtureRequest) -> str:
    """The arguments of ``store.use``."""
    name: str = request.param
    if name == "redis":
        return f'"redis", url="{request.getfixturevalue("redis_url")}"'
    if name == "mongodb":
        uri, database = request.getfixturevalue("mongo_uri"), request.getfixturevalue("mongo_database")
        return f'"mongodb", uri="{uri}", database="{database}"'
    return {"file": '"file", path="shared"', "sql": '"sql", url="sqlite+aiosqlite:///shared.db"'}[name]


def test_list_show_end_and_gc(cli: CommandLine, options: str) -> None:
    write_app(cli.folder, {"shares.py": APP.format(options=options), "make.py": MAKE})
    cli.python("make.py")
    listed = cli("sessions", "list", "--app=shares", "--json")
    assert ([each["user_id"] for each in listed.json].count("ada"), listed.err) == (2, "")
    (anonymous,) = [each["key"] for each in listed.json if each["user_id"] is None]
    shown = cli("sessions", "show", "--app=shares", "--json", anonymous[:12])
    assert (shown.json[0]["values"], shown.err) == ({"for": None}, "")
    assert cli("sessions", "end", "--app=shares", "--user=ada", "--yes") == (0, "Ended 2 sessions.\n", "")
    assert [each["key"] for each in cli("sessions", "list", "--app=shares", "--json").json] == [anonymous]
    swept = cli("sessions", "gc", "--app=shares")
    assert (swept.code, swept.err) == (0, "")
    name = options.split('"')[1]
    by_itself = f"Nothing to do: the {name} store removes expired sessions by itself.\n"
    assert swept.out == (by_itself if name in ("redis", "mongodb") else "Removed 0 expired records.\n")
