"""Events: to all, to a user, a channel, a session, a socket; and what is refused as one."""

from __future__ import annotations

import asyncio

import pytest

from rpc_sessions import Server
from rpc_sessions.session.cookie import sign
from tests.apps import SECRET, MakeServer, serving
from tests.waiting import until
from tests.wire import connect

LIVE = """
    def actions(req, res, ss):
        req.use("session")

        async def me():
            return req.socket_id
        async def log_in(name):
            await req.session.set_user_id(name)
        async def listen(*names):
            await req.session.channel.subscribe(*names)
        async def leave(*names):
            await req.session.channel.unsubscribe(*names)

        return me, log_in, listen, leave
"""


@pytest.fixture
def ss(make_server: MakeServer) -> Server:
    return make_server({"rpc/live.py": LIVE})


async def cookie(ss: Server, user_id: str | None = None) -> tuple[str, dict[str, str]]:
    """A stored session: its id, and the header that brings it."""
    session = await ss.session.create({}, user_id)
    return session.id, {"Cookie": f"connect.sid={sign(session.id, SECRET)}"}


@pytest.mark.gen_test
async def test_to_all(ss: Server) -> None:
    async with serving(ss) as site, connect(site) as one, connect(site) as two:
        await asyncio.gather(one.result("live.me"), two.result("live.me"))
        assert ss.publish.all("news", 1, {"two": [None]}) == 2
        assert ss.publish.all("empty") == 2
        for socket in (one, two):
            assert await socket.receive() == {"jsonrpc": "2.0", "method": "news", "params": [1, {"two": [None]}]}
            assert await socket.event() == ("empty", [])
    await until(lambda: ss.publish.all("news") == 0)


@pytest.mark.gen_test
async def test_to_a_socket(ss: Server) -> None:
    async with serving(ss) as site, connect(site) as one, connect(site) as two:
        assert ss.publish.socket(await one.result("live.me"), "hello") == 1
        assert ss.publish.socket(await two.result("live.me"), "goodbye") == 1
        assert await one.event() == ("hello", [])
        assert await two.event() == ("goodbye", [])
        assert ss.publish.socket("nobody", "hello") == 0
        assert ss.publish.socket("", "hello") == 0


@pytest.mark.gen_test
async def test_to_all_sockets_of_a_session(ss: Server) -> None:
    async with serving(ss) as site:
        id, headers = await cookie(ss)
        _, other_headers = await cookie(ss)
        async with (
            connect(site, headers=headers) as one,
            connect(site, headers=headers) as two,
            connect(site, headers=other_headers) as other,
        ):
            assert ss.publish.session(id, "hello") == 2
            assert await one.event() == await two.event() == ("hello", [])
            assert ss.publish.session("unknown", "hello") == 0
            ss.publish.all("end")
            assert await other.event() == ("end", [])  # and no hello before it


@pytest.mark.gen_test
async def test_to_a_user_wherever_logged_in(ss: Server) -> None:
    async with serving(ss) as site:
        _, headers = await cookie(ss, "ann")
        async with connect(site, headers=headers) as one, connect(site) as two, connect(site) as stranger:
            assert ss.publish.user("ann", "first") == 1
            await two.result("live.log_in", "ann")
            assert ss.publish.user("ann", "second") == 2
            await stranger.result("live.log_in", "bob")
            assert ss.publish.user("bob", "third") == 1
            assert ss.publish.user("", "fourth") == 0
            assert ss.publish.user("carol", "fourth") == 0
            await two.result("live.log_in", None)
            assert ss.publish.user("ann", "fifth") == 1
            assert [await one.event() for _ in range(3)] == [("first", []), ("second", []), ("fifth", [])]
    await until(lambda: ss.publish.user("ann", "sixth") == 0)


@pytest.mark.gen_test
async def test_to_a_channel(ss: Server) -> None:
    async with serving(ss) as site:
        _, headers = await cookie(ss)
        async with (
            connect(site, headers=headers) as one,
            connect(site, headers=headers) as same,
            connect(site) as other,
        ):
            assert ss.publish.channel("sport", "goal") == 0
            await one.result("live.listen", "sport", "news")
            await other.result("live.listen", "news")
            assert ss.publish.channel("sport", "goal", 1) == 2  # the session listens, with all its sockets
            assert ss.publish.channel("news", "headline") == 3
            assert await same.event() == ("goal", [1])
            await same.result("live.leave", "news")
            assert ss.publish.channel("news", "headline") == 1
        async with connect(site, headers=headers):  # kept in the session
            await until(lambda: ss.publish.channel("sport", "goal") == 1)


@pytest.mark.parametrize("name", ["", "rpc.session", "rpc.", "rpc.x"])
@pytest.mark.gen_test
async def test_names_that_are_refused(name: str, ss: Server) -> None:
    with pytest.raises(ValueError, match="cannot be the name of an event"):
        ss.publish.all(name)
    for to in (ss.publish.user, ss.publish.channel, ss.publish.session, ss.publish.socket):
        with pytest.raises(ValueError, match="cannot be the name of an event"):
            to("nobody", name)


@pytest.mark.parametrize("name", [None, 1, b"news", ["news"]])
@pytest.mark.gen_test
async def test_names_that_are_none(name: str, ss: Server) -> None:
    with pytest.raises(TypeError, match="the name of an event is a string"):
        ss.publish.all(name)


@pytest.mark.parametrize("param", [object(), float("nan"), {"a": float("inf")}, "\ud800", {(1, 2): 3}])
@pytest.mark.gen_test
async def test_params_that_json_cannot_hold_are_refused_and_nobody_is_told(param: object, ss: Server) -> None:
    async with serving(ss) as site, connect(site) as socket:
        await socket.result("live.me")
        with pytest.raises((TypeError, ValueError)):
            ss.publish.all("news", param)
        ss.publish.all("good", "né🚀", 2**70)
        assert await socket.event() == ("good", ["né🚀", 2**70])


@pytest.mark.gen_test
async def test_before_the_start_there_is_nobody(ss: Server) -> None:
    assert ss.publish.all("news") == 0
    assert ss.publish.user("ann", "news") == 0
