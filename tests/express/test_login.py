"""Log in on one side and be logged in on the other: who the user is, and what the session listens to."""

from __future__ import annotations

import pytest

from rpc_sessions import Session
from tests.express.pair import Pair, assert_ended
from tests.session.steps import look, put

LOGIN = "await done('regenerate'); req.session.userId = 'ada'"
WHO = "return req.session.userId"


async def login(session: Session) -> None:
    await session.set_user_id("ada")


async def logout(session: Session) -> None:
    await session.set_user_id(None)


@pytest.mark.gen_test
async def test_a_login_at_express_is_one_over_http_and_over_websocket(pair: Pair) -> None:
    async with pair() as ada:
        await ada.express(LOGIN)
        assert await ada.http(look) == ("ada", {})
        async with ada.socket() as socket:
            assert await ada.call(socket, look) == ("ada", {})


@pytest.mark.gen_test
async def test_a_login_over_http_is_one_at_express(pair: Pair) -> None:
    async with pair() as ada:
        await ada.http(login)
        assert await ada.express(WHO) == "ada"
        await ada.http(logout)
        assert await ada.express(WHO) is None


@pytest.mark.gen_test
async def test_a_login_over_websocket_is_one_at_express(pair: Pair) -> None:
    async with pair() as ada, ada.socket() as socket:
        await ada.call(socket, login)
        await ada.take_ticket(socket)
        assert await ada.express(WHO) == "ada"
        await ada.call(socket, logout)
        await ada.take_ticket(socket)
        assert await ada.express(WHO) is None


@pytest.mark.gen_test
async def test_a_login_moves_what_was_in_the_session(pair: Pair) -> None:
    async with pair() as ada:
        await ada.express("req.session.cart = {apple: 1}")
        await ada.http(login)
        assert await ada.express("return [req.session.userId, req.session.cart]") == ["ada", {"apple": 1}]


@pytest.mark.gen_test
async def test_an_open_socket_sees_what_express_changed(pair: Pair) -> None:
    async with pair() as ada, ada.socket() as socket:
        await ada.call(socket, put(a=1))
        await ada.express("req.session.userId = 'ada'; req.session.a = 2")
        assert await ada.call(socket, look) == ("ada", {"a": 2})
        await ada.express("delete req.session.userId; delete req.session.a")
        assert await ada.call(socket, look) == (None, {})


@pytest.mark.gen_test
async def test_an_open_socket_ends_where_express_makes_a_new_id(pair: Pair) -> None:
    async with pair() as ada:
        await ada.express("req.session.a = 1")
        async with ada.socket() as socket:
            await ada.express(LOGIN)
            await assert_ended(socket)
        async with ada.socket() as socket:
            assert await ada.call(socket, look) == ("ada", {})


@pytest.mark.parametrize(("written", "user_id"), [("'7'", "7"), ("7", "7"), ("'ada'", "ada"), ("null", None)])
@pytest.mark.gen_test
async def test_a_user_id_of_express(pair: Pair, written: str, user_id: str | None) -> None:
    async with pair() as ada:
        await ada.express(f"req.session.userId = {written}")
        assert await ada.http(look) == (user_id, {})
        await ada.http(put(a=1))
        assert await ada.express(f"return (req.session.userId ?? null) === {written}"), "our write changed its type"


@pytest.mark.gen_test
async def test_events_reach_the_user_who_logged_in_at_express(pair: Pair) -> None:
    async with pair() as ada:
        await ada.express("req.session.userId = 7")
        async with ada.socket() as socket:
            assert ada.site.ss.publish.user("7", "hello", 1) == 1
            assert await socket.event() == ("hello", [1])


@pytest.mark.gen_test
async def test_channels_that_express_sets_are_ours(pair: Pair) -> None:
    async with pair() as ada:
        await ada.express("req.session.channels = ['news', 'sport']")
        async with ada.socket() as socket:
            assert await ada.call(socket, lambda session: session.channel.list()) == ["news", "sport"]
            assert ada.site.ss.publish.channel("news", "headline", "x") == 1
            assert await socket.event() == ("headline", ["x"])
            await ada.express("req.session.channels = ['sport']")
            assert await ada.call(socket, look) == (None, {})
            assert ada.site.ss.publish.channel("news", "headline", "x") == 0


@pytest.mark.gen_test
async def test_express_sees_our_channels(pair: Pair) -> None:
    async with pair() as ada, ada.socket() as socket:
        await ada.call(socket, lambda session: session.channel.subscribe("news", "sport"))
        assert await ada.express("return req.session.channels") == ["news", "sport"]
        await ada.call(socket, lambda session: session.channel.reset())
        assert await ada.express("return req.session.channels ?? []") == []
