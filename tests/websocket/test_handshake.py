"""What happens to a session while a socket of it is still shaking hands."""

from __future__ import annotations

import asyncio

import pytest

from rpc_sessions import Server
from rpc_sessions.session import cookie
from tests.apps import SECRET, MakeServer, serving
from tests.frames import handshake
from tests.logs import Logs
from tests.stores.doubles import WatchedStore
from tests.waiting import Gate, until
from tests.wire import connect

APP = """
    def actions(req, res, ss):
        req.use("session")

        async def who():
            return req.session.user_id

        async def end():
            await req.session.destroy()
            return True

        return [who, end]
"""


def watched(make_server: MakeServer) -> tuple[Server, WatchedStore]:
    """A server, and its store."""
    ss, store = make_server({"rpc/app.py": APP}), WatchedStore()
    ss.session.store.use(store)
    return ss, store


async def logged_in(ss: Server) -> tuple[str, dict[str, str]]:
    """The id of a session, and the headers of its browser."""
    session = await ss.session.create({"a": 1}, "ada")
    return session.id, {"Cookie": f"connect.sid={cookie.sign(session.id, SECRET)}"}


@pytest.mark.gen_test
async def test_what_is_published_during_the_handshake_arrives_and_mutes_nobody(make_server: MakeServer) -> None:
    ss, store = watched(make_server)
    async with serving(ss) as site:
        id, headers = await logged_in(ss)

        async def publish() -> None:
            ss.publish.session(id, "news", 1)

        store.before["load"] = publish
        async with connect(site, headers=headers) as socket:
            assert await socket.event() == ("news", [1])
            assert await socket.result("app.who") == "ada"


@pytest.mark.gen_test
async def test_a_session_that_ends_during_the_handshake_closes_the_socket(make_server: MakeServer) -> None:
    ss, store = watched(make_server)
    async with serving(ss) as site:
        id, headers = await logged_in(ss)
        store.after["load"] = gate = Gate()  # the handshake has read the record, and does not know yet

        async def come() -> tuple[int | None, str]:
            async with connect(site, headers=headers) as socket:
                return await socket.closed()

        visitor = asyncio.ensure_future(come())
        await gate.reached()
        assert await ss.rpc("app.end", session=id) is True
        assert ss.publish.user("ada", "secret") == 0
        gate.let_go()
        assert (await visitor)[0] == 4401


@pytest.mark.gen_test
async def test_a_client_that_leaves_during_the_handshake_leaves_nothing(make_server: MakeServer) -> None:
    ss, store = watched(make_server)
    async with serving(ss) as site:
        id, headers = await logged_in(ss)
        store.after["load"] = gate = Gate()
        visitor = asyncio.ensure_future(connect(site, headers=headers).__aenter__())
        await gate.reached()
        visitor.cancel()
        await asyncio.sleep(0.1)  # most often the server knows then that the client has gone
        gate.let_go()
        await until(lambda: not list(ss.session.claims.all()))
        assert ss.publish.session(id, "news") == 0


@pytest.mark.gen_test
async def test_a_handshake_that_the_store_fails_leaves_nothing(make_server: MakeServer, logs: Logs) -> None:
    ss, store = watched(make_server)
    async with serving(ss) as site:
        _, headers = await logged_in(ss)
        store.down = True
        status, _, writer = await handshake(site, headers)
        assert status == 503
        assert list(ss.session.claims.all()) == []
        writer.close()
        store.down = False
    logs.take("503 GET /rpc")
