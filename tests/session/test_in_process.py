"""Calls within the process: ``ss.rpc(..., session=)`` and ``ss.session.create``."""

from __future__ import annotations

import pytest

from rpc_sessions import RPCError
from tests.apps import MakeServer, serving
from tests.http.browser import Browser
from tests.session.steps import over_http, over_socket, put, session_server
from tests.stores.doubles import WatchedStore

APP = {
    "rpc/app.py": """
        def actions(req, res, ss):
            req.use("session")

            async def look():
                return [req.session.user_id, dict(req.session)]

            async def put(key, value):
                req.session[key] = value
                await req.session.save()

            async def log_in(name):
                await req.session.set_user_id(name)
                return req.session.id

            async def end():
                await req.session.destroy()

            return look, put, log_in, end
    """
}


@pytest.mark.gen_test
async def test_a_session_made_by_the_server_is_one_like_any(make_server: MakeServer) -> None:
    ss = make_server(APP)
    store = WatchedStore()
    ss.session.store.use(store)
    session = await ss.session.create({"cart": [1]}, user_id="ada")
    assert (session.user_id, dict(session), session.is_new, session.changed) == ("ada", {"cart": [1]}, False, False)
    assert store.writes == ["insert"]
    assert await ss.rpc("app.look", session=session) == ["ada", {"cart": [1]}]
    assert await ss.rpc("app.look", session=session.id) == ["ada", {"cart": [1]}]
    await ss.rpc("app.put", "n", 1, session=session)
    assert dict(await session.load()) == {"cart": [1], "n": 1}
    session["n"] = 2
    await session.save()
    assert await ss.rpc("app.look", session=session) == ["ada", {"cart": [1], "n": 2}]
    assert await ss.rpc("app.look") == [None, {}]


@pytest.mark.gen_test
async def test_a_session_that_is_given_follows_when_its_id_changes(make_server: MakeServer) -> None:
    ss = make_server(APP)
    session = await ss.session.create({"cart": [1]})
    before = session.id
    after = await ss.rpc("app.log_in", "ada", session=session)
    assert session.id == after != before
    assert await ss.rpc("app.look", session=session) == ["ada", {"cart": [1]}]
    await session.load()
    assert session.user_id == "ada"


@pytest.mark.gen_test
async def test_an_empty_session_is_stored_too(make_server: MakeServer) -> None:
    ss = make_server(APP)
    session = await ss.session.create()
    assert not session.is_new
    assert await ss.rpc("app.look", session=session) == [None, {}]


@pytest.mark.gen_test
async def test_a_session_that_is_gone_is_an_error(make_server: MakeServer) -> None:
    ss = make_server(APP)
    session = await ss.session.create({"a": 1})
    await ss.rpc("app.end", session=session)
    for of in (session, session.id, "A" * 43):
        for call in (ss.rpc("app.look", session=of), ss.rpc("app.put", "a", 2, session=of)):
            with pytest.raises(RPCError) as caught:
                await call
            assert caught.value.code == -32001


@pytest.mark.gen_test
async def test_a_browser_shares_a_session_made_by_the_server(make_server: MakeServer) -> None:
    ss = session_server(make_server)
    async with serving(ss) as site:
        browser = Browser(site)
        await over_http(browser, put(a=1))
        async with browser.socket() as socket:
            assert browser.id is not None
            registered: list[object] = []
            ss.api.steps["look"] = lambda session: _note(registered, dict(session))
            await ss.rpc("s.do", "look", session=browser.id)
            assert registered == [{"a": 1}]
            ss.api.steps["end"] = lambda session: session.destroy()
            await ss.rpc("s.do", "end", session=browser.id)
            assert await socket.closed() == (4401, "session ended")
        assert await over_http(browser, dict) == {}
        async with browser.socket() as socket:
            assert await over_socket(socket, ss, dict) == {}


async def _note(notes: list[object], note: object) -> None:
    notes.append(note)
