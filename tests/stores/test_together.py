"""Sessions on each store that processes share: nothing is lost, and nothing comes back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import pytest

from rpc_sessions import RPCError, Server, SessionGone
from rpc_sessions.session.stores import redis_client, sql
from tests.apps import MakeServer
from tests.processes import REPOSITORY
from tests.stores import servers
from tests.stores.worker import Options, make_sessions, open_session

APP = """
    def actions(req, res, ss):
        req.use("session")

        async def put(key: str, value: int):
            req.session[key] = value
            await req.session.save()

        return [put]
"""


class Chosen(NamedTuple):
    """What ``ss.session.store.use`` is given, and the server behind it."""

    name: str
    options: Options
    server: servers.Server | None = None

    def start(self, task: str, *arguments: object) -> subprocess.Popen[str]:
        """A process that uses the same store; see worker.py."""
        command = [sys.executable, "-m", "tests.stores.worker", task, self.name, json.dumps(self.options)]
        return subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


DATABASES = ["sqlite", "postgresql", "mariadb"]
SERVERS = ["redis", "postgresql", "mariadb"]


@pytest.fixture(params=["file", "redis", *DATABASES])
def chosen(request: pytest.FixtureRequest, tmp_path: Path, own: str) -> Chosen:
    if request.param == "file":
        return Chosen("file", {"path": str(tmp_path / "sessions")})
    if request.param == "sqlite":
        return Chosen("sql", {"url": f"sqlite+aiosqlite:///{tmp_path}/sessions.db"})
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        return Chosen("redis", {"url": server.url, "prefix": own}, server)
    server = request.getfixturevalue(request.param)
    return Chosen("sql", {"url": server.url, "table": own}, server)


@pytest.fixture
def ss(make_server: MakeServer, chosen: Chosen) -> Server:
    server = make_server({"rpc/app.py": APP}, call_deadline=100)
    server.session.store.use(chosen.name, **chosen.options)
    return server


@pytest.mark.gen_test
async def test_parallel_writers_of_different_keys_keep_all(ss: Server) -> None:
    session = await ss.session.create()
    await asyncio.gather(*(ss.rpc("app.put", f"k{n}", n, session=session) for n in range(100)))
    await session.load()
    assert dict(session) == {f"k{n}": n for n in range(100)}
    await ss.session.store.current.close()


@pytest.mark.gen_test
async def test_writes_that_race_a_log_out_revive_nothing(ss: Server) -> None:
    session = await ss.session.create({"here": True})

    async def write(n: int) -> None:
        mine = await open_session(ss.session, session.id)
        while True:
            mine[f"k{n % 5}"] = asyncio.get_running_loop().time()
            await mine.save()

    writers = [asyncio.create_task(write(n)) for n in range(50)]
    await asyncio.sleep(0.3)
    await session.destroy()
    ends = await asyncio.gather(*writers, return_exceptions=True)
    assert {type(end) for end in ends} == {SessionGone}
    assert await ss.session.store.current.load(ss.session.key_for(session.id)) is None
    await ss.session.store.current.close()


@pytest.mark.gen_test
async def test_two_processes_count_exactly(chosen: Chosen) -> None:
    sessions = make_sessions(chosen.name, chosen.options)
    session = await sessions.create()
    processes = [chosen.start("count_up", session.id, 60) for _ in range(2)]
    for process in processes:
        await asyncio.to_thread(process.communicate)
        assert process.returncode == 0
    await session.load()
    assert session["n"] == 120
    await sessions.store.current.close()


@pytest.mark.gen_test
async def test_a_process_killed_while_it_saves_leaves_the_old_or_the_new(chosen: Chosen) -> None:
    sessions = make_sessions(chosen.name, chosen.options)
    session = await sessions.create()
    for pause in (0.02, 0.04):
        process = chosen.start("save_forever", session.id, 200_000)
        assert process.stdout
        await asyncio.to_thread(process.stdout.readline)  # it is at it
        await asyncio.sleep(pause)
        process.kill()
        said, _ = await asyncio.to_thread(process.communicate)
        acknowledged = max(map(int, said.split()), default=1)
        await session.load()
        n = cast(int, session["n"])
        assert acknowledged <= n <= acknowledged + 1
        assert session["filling"] == f"{n}," * (200_000 // len(f"{n},"))
        session["n"] = 0
        await session.save()  # nobody is left who holds a lock
    await sessions.store.current.close()


@pytest.fixture
def restarted(chosen: Chosen) -> Iterator[servers.Server]:
    assert chosen.server
    yield chosen.server
    if chosen.server.popen.poll() is not None:
        chosen.server.start()


@pytest.mark.parametrize("chosen", SERVERS, indirect=True)
@pytest.mark.gen_test
async def test_a_server_that_was_away_is_used_again(ss: Server, chosen: Chosen, restarted: servers.Server) -> None:
    session = await ss.session.create({"a": 1})
    await asyncio.gather(*(ss.rpc("app.put", f"k{n}", n, session=session) for n in range(10)))
    await asyncio.to_thread(restarted.stop)
    with pytest.raises(RPCError) as caught:
        await ss.rpc("app.put", "a", 2, session=session)
    assert caught.value.code == -32010
    await asyncio.to_thread(restarted.start)
    await asyncio.to_thread(servers.wait_until, lambda: servers.answers(restarted))
    if chosen.name == "redis":  # this one keeps nothing
        session = await ss.session.create({"a": 1})
    # The connections of before are all dead, and no call notices.
    await asyncio.gather(*(ss.rpc("app.put", f"k{n}", -n, session=session) for n in range(10)))
    await session.load()
    assert (session["a"], session["k9"]) == (1, -9)
    await ss.session.store.current.close()


@pytest.mark.parametrize("chosen", SERVERS, indirect=True)
@pytest.mark.gen_test
async def test_a_server_that_hangs_is_unavailable_in_time(
    ss: Server, restarted: servers.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sql, redis_client):
        monkeypatch.setattr(module, "_PATIENCE", 2.0)
    session = await ss.session.create({"a": 1})
    restarted.freeze()
    try:
        started = asyncio.get_running_loop().time()
        calls = [ss.rpc("app.put", f"k{n}", n, session=session) for n in range(40)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        assert {getattr(answer, "code", answer) for answer in answers} == {-32010}
        assert asyncio.get_running_loop().time() - started < 40  # one after the other they would take 80
    finally:
        restarted.thaw()
    await ss.rpc("app.put", "a", 2, session=session)
    await session.load()
    assert session["a"] == 2
    await ss.session.store.current.close()


@pytest.mark.parametrize("chosen", DATABASES, indirect=True)
@pytest.mark.gen_test
async def test_processes_that_start_at_once_agree_on_the_table(chosen: Chosen) -> None:
    processes = [chosen.start("create_table", "ready") for _ in range(3)]
    for process in processes:
        assert process.stdout
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        await asyncio.to_thread(process.communicate)
    assert [process.returncode for process in processes] == [0] * 3
