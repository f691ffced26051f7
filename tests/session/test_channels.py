"""Channels: kept in the session, so all its sockets follow, at once."""

from __future__ import annotations

from typing import Any

import pytest

from rpc_sessions import Session
from tests.apps import MakeServer, Site, serving
from tests.http.browser import Browser
from tests.session.steps import Way, every_way, over_http, over_socket, put, session_server
from tests.wire import Socket


def subscribe(*names: str) -> Any:
    return lambda session: session.channel.subscribe(*names)


async def hears(site: Site, channel: str, *sockets: Socket) -> None:
    """These sockets, and no others, get what is published on the channel."""
    assert site.ss.publish.channel(channel, "event", channel) == len(sockets)
    for socket in sockets:
        assert await socket.event() == ("event", [channel])


@every_way
@pytest.mark.gen_test
async def test_subscribe_unsubscribe_reset_list(way: Way, make_server: MakeServer) -> None:
    async def check(session: Session) -> None:
        channel = session.channel
        assert channel.list() == []
        await channel.subscribe("sport", "news")
        await channel.subscribe("news", "é 🙂")
        assert channel.list() == ["news", "sport", "é 🙂"]
        await channel.unsubscribe("sport", "never")
        assert channel.list() == ["news", "é 🙂"]
        bad: Any
        for bad in ("", 1, None, b"a", ["news"]):
            with pytest.raises(TypeError, match="channel"):
                await channel.subscribe("good", bad)
        assert channel.list() == ["news", "é 🙂"]
        await channel.subscribe()
        assert not session.changed
        assert dict(session) == {}

    async with serving(session_server(make_server)) as site, way(site) as do:
        await do(check)
        assert await do(lambda session: session.channel.list()) == ["news", "é 🙂"]
        await do(lambda session: session.channel.reset())
        assert await do(lambda session: session.channel.list()) == []


@pytest.mark.gen_test
async def test_all_sockets_of_a_session_follow_at_once_and_no_other(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser, stranger = Browser(site), Browser(site)
        async with browser.socket() as one, browser.socket() as two, stranger.socket() as other:
            await over_socket(one, site.ss, subscribe("news"))
            await hears(site, "news", one, two)
            await over_http(browser, subscribe("sport"))
            await hears(site, "sport", one, two)
            await over_socket(other, site.ss, subscribe("sport"))
            await hears(site, "sport", one, two, other)
            async with browser.socket() as three:
                await hears(site, "news", one, two, three)
            await over_socket(two, site.ss, lambda session: session.channel.unsubscribe("news"))
            await hears(site, "news")
            await over_socket(two, site.ss, lambda session: session.channel.reset())
            await hears(site, "sport", other)


@pytest.mark.gen_test
async def test_channels_survive_a_log_in_and_end_with_the_session(make_server: MakeServer) -> None:
    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        async with browser.socket() as one, browser.socket() as two:
            await over_socket(one, site.ss, subscribe("news"))
            await over_socket(one, site.ss, lambda session: session.set_user_id("ada"))
            await browser.take_ticket(one)
            await hears(site, "news", one, two)
            assert site.ss.publish.user("ada", "hello") == 2
            assert await one.event() == ("hello", [])
            await over_socket(one, site.ss, lambda session: session.set_user_id(None))
            await browser.take_ticket(one)
            assert site.ss.publish.user("ada", "hello") == 0
            await over_socket(one, site.ss, lambda session: session.destroy())
            await hears(site, "news")


@pytest.mark.gen_test
async def test_subscribing_saves_the_other_changes_and_loses_nobody_elses(make_server: MakeServer) -> None:
    async def subscribe_late(session: Session) -> None:
        session["mine"] = 1
        await over_http(browser, lambda other: other.channel.subscribe("theirs"))
        await over_http(browser, put(theirs=1))
        await session.channel.subscribe("mine")
        assert session.channel.list() == ["mine", "theirs"]
        assert dict(session) == {"a": 1, "mine": 1, "theirs": 1}

    async with serving(session_server(make_server)) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            await over_socket(socket, site.ss, subscribe_late)
            await hears(site, "theirs", socket)
            assert await over_http(browser, dict) == {"a": 1, "mine": 1, "theirs": 1}
